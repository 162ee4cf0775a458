"""Who uses which app is read from an index."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_CURRENT = sa.text("removed_at IS NULL")


def upgrade() -> None:
    op.create_index(
        "ix_consents_client_id_app",
        "consents",
        ["client_id", "app", "given_at", "account_id"],
        sqlite_where=_CURRENT,
        postgresql_where=_CURRENT,
    )


def downgrade() -> None:
    op.drop_index("ix_consents_client_id_app", "consents")
