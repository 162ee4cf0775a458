"""A refresh token remembers what took its place."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("refresh_tokens", sa.Column("successor", sa.Text(), nullable=True))
    op.add_column("refresh_tokens", sa.Column("answered_again_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("refresh_tokens") as tokens:
        tokens.drop_column("answered_again_at")
        tokens.drop_column("successor")
