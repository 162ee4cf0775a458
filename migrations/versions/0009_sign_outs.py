"""A sign-out can be looked at: who was told, who could not be."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("sign_out_id", sa.Text(), nullable=True))
    op.create_index(
        "ix_sessions_sign_out_id",
        "sessions",
        ["sign_out_id"],
        unique=False,
        sqlite_where=sa.text("sign_out_id IS NOT NULL"),
        postgresql_where=sa.text("sign_out_id IS NOT NULL"),
    )
    op.create_index("ix_logout_deliveries_sid", "logout_deliveries", ["sid"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_logout_deliveries_sid", table_name="logout_deliveries")
    op.drop_index("ix_sessions_sign_out_id", table_name="sessions")
    with op.batch_alter_table("sessions") as sessions:
        sessions.drop_column("sign_out_id")
