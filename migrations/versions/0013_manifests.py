"""What developers signed, and what apps' own sites show."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sites",
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("authors", sa.JSON(), nullable=False),
        sa.Column("fault", sa.Text()),
        sa.Column("answered_at", sa.BigInteger()),
        sa.Column("tried_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("origin", name=op.f("pk_sites")),
    )
    op.create_table(
        "logos",
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text()),
        sa.Column("png", sa.LargeBinary()),
        sa.Column("fault", sa.Text()),
        sa.Column("tried_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.id"], name=op.f("fk_logos_client_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_logos")),
    )
    op.create_index(op.f("ix_logos_digest"), "logos", ["digest"])
    op.add_column("clients", sa.Column("statement", sa.JSON()))
    op.add_column("consents", sa.Column("developer", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("consents") as consents:
        consents.drop_column("developer")
    with op.batch_alter_table("clients") as clients:
        clients.drop_column("statement")
    op.drop_index(op.f("ix_logos_digest"), table_name="logos")
    op.drop_table("logos")
    op.drop_table("sites")
