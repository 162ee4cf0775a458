"""Which app may ask, and as whom: rules, lists of people, requests for access."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_OPEN = sa.text("decided_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "app_rules",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("say", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger()),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_app_rules")),
    )
    op.create_table(
        "listings",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger()),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["app"], ["app_rules.name"], name=op.f("fk_listings_app"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_listings")),
    )
    op.create_index("uq_listings_app_kind_who", "listings", ["app", "kind", "who"], unique=True)
    op.create_table(
        "person_rules",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("say", sa.Text(), nullable=False),
        sa.Column("said_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_person_rules_account_id")
        ),
        sa.PrimaryKeyConstraint("account_id", "app", name=op.f("pk_person_rules")),
    )
    op.create_table(
        "access_requests",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("app_title", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger()),
        sa.Column("outcome", sa.Text()),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_access_requests_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.id"],
            name=op.f("fk_access_requests_client_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_requests")),
    )
    op.create_index(
        "uq_access_requests_open",
        "access_requests",
        ["account_id", "app"],
        unique=True,
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )
    op.create_index(
        "ix_access_requests_asked_at",
        "access_requests",
        ["asked_at"],
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )
    op.add_column(
        "clients", sa.Column("unknown_apps", sa.Text(), server_default="ask", nullable=False)
    )
    # Every yes until now was to being known as oneself, and goes on meaning that.
    op.add_column(
        "consents", sa.Column("as_whom", sa.Text(), server_default="main", nullable=False)
    )
    op.execute(
        "INSERT INTO person_rules (account_id, app, say, said_at)"
        " SELECT consents.account_id, consents.app, 'allow', min(consents.given_at)"
        " FROM consents JOIN clients ON clients.id = consents.client_id"
        " WHERE consents.removed_at IS NULL AND clients.kind = 'homeserver' AND consents.app != ''"
        " GROUP BY consents.account_id, consents.app"
    )
    op.add_column("authorization_requests", sa.Column("persona_id", sa.Text()))
    op.add_column(
        "authorization_requests",
        sa.Column("place", sa.Text(), server_default="account", nullable=False),
    )


def downgrade() -> None:
    with op.batch_alter_table("authorization_requests") as requests:
        requests.drop_column("place")
        requests.drop_column("persona_id")
    with op.batch_alter_table("consents") as consents:
        consents.drop_column("as_whom")
    with op.batch_alter_table("clients") as clients:
        clients.drop_column("unknown_apps")
    for table in ("access_requests", "person_rules", "listings", "app_rules"):
        op.drop_table(table)
