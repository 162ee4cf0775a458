"""What developers' profiles show."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "developers",
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text()),
        sa.Column("png", sa.LargeBinary()),
        sa.Column("fault", sa.Text()),
        sa.Column("answered_at", sa.BigInteger()),
        sa.Column("tried_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.id"], name=op.f("fk_developers_client_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_developers")),
    )
    op.create_index(op.f("ix_developers_digest"), "developers", ["digest"])


def downgrade() -> None:
    op.drop_index(op.f("ix_developers_digest"), table_name="developers")
    op.drop_table("developers")
