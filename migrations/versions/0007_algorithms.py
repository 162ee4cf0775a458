"""Signing keys of more than one algorithm."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "signing_keys", sa.Column("algorithm", sa.Text(), server_default="RS256", nullable=False)
    )


def downgrade() -> None:
    op.execute("DELETE FROM signing_keys WHERE algorithm <> 'RS256'")
    with op.batch_alter_table("signing_keys") as keys:
        keys.drop_column("algorithm")
