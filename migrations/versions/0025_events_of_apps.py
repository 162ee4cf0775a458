"""What happened to an app is read from an index."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_IS_OF_APP = sa.text("app IS NOT NULL")
_EVENTS = sa.table("events", sa.column("app", sa.Text()), sa.column("detail", sa.JSON()))


def upgrade() -> None:
    op.add_column("events", sa.Column("app", sa.Text()))
    told = _EVENTS.c.detail["app"].as_string()
    op.execute(_EVENTS.update().values(app=told).where(told.is_not(None), told != ""))
    op.create_index(
        "ix_events_app_at",
        "events",
        ["app", "at"],
        sqlite_where=_IS_OF_APP,
        postgresql_where=_IS_OF_APP,
    )


def downgrade() -> None:
    op.drop_index("ix_events_app_at", table_name="events")
    with op.batch_alter_table("events") as table:
        table.drop_column("app")
