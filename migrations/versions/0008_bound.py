"""Tokens that only the holder of a key can use."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("access_tokens", sa.Column("dpop_jkt", sa.Text(), nullable=True))
    op.add_column("refresh_tokens", sa.Column("dpop_jkt", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("refresh_tokens") as tokens:
        tokens.drop_column("dpop_jkt")
    with op.batch_alter_table("access_tokens") as tokens:
        tokens.drop_column("dpop_jkt")
