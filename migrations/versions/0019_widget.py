"""Sessions of the account page inside of Matrix clients."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "widget_sessions",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("localpart", sa.Text(), nullable=False),
        sa.Column("server_name", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_widget_sessions")),
    )
    op.create_index(op.f("ix_widget_sessions_localpart"), "widget_sessions", ["localpart"])
    op.create_index(op.f("ix_widget_sessions_expires_at"), "widget_sessions", ["expires_at"])


def downgrade() -> None:
    op.drop_index(op.f("ix_widget_sessions_expires_at"), table_name="widget_sessions")
    op.drop_index(op.f("ix_widget_sessions_localpart"), table_name="widget_sessions")
    op.drop_table("widget_sessions")
