"""What an operator says of the scopes of an app."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("app_rules", sa.Column("scopes", sa.JSON()))
    op.add_column("app_rules", sa.Column("scopes_changed_at", sa.BigInteger()))


def downgrade() -> None:
    with op.batch_alter_table("app_rules") as table:
        table.drop_column("scopes_changed_at")
        table.drop_column("scopes")
