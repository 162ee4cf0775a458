"""What admins look for people by, what they note of them, and the ledger's order."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# LIKE 'begin%' is answered by such an index whatever the database's collation.
_BEGINNINGS = (("names", "text"), ("identities", "subject"), ("personas", "localpart"))
_BLOCKED = sa.text("blocked_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "person_notes",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
            name=op.f("fk_person_notes_account_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_person_notes")),
    )
    for table, column in _BEGINNINGS:
        op.create_index(
            f"ix_{table}_{column}_begin",
            table,
            [column],
            postgresql_ops={column: "text_pattern_ops"},
        )
    op.create_index("ix_accounts_created_at_id", "accounts", ["created_at", "id"])
    op.create_index(
        "ix_accounts_blocked",
        "accounts",
        ["created_at", "id"],
        sqlite_where=_BLOCKED,
        postgresql_where=_BLOCKED,
    )
    op.create_index("ix_events_at_id", "events", ["at", "id"])
    op.create_index("ix_events_kind_at", "events", ["kind", "at"])
    op.create_index("ix_events_client_id_at", "events", ["client_id", "at"])
    op.create_index(
        "ix_logout_deliveries_client_id_created_at",
        "logout_deliveries",
        ["client_id", "created_at"],
    )


def downgrade() -> None:
    op.drop_index("ix_logout_deliveries_client_id_created_at", "logout_deliveries")
    for name in ("ix_events_client_id_at", "ix_events_kind_at", "ix_events_at_id"):
        op.drop_index(name, "events")
    for name in ("ix_accounts_blocked", "ix_accounts_created_at_id"):
        op.drop_index(name, "accounts")
    for table, column in _BEGINNINGS:
        op.drop_index(f"ix_{table}_{column}_begin", table)
    op.drop_table("person_notes")
