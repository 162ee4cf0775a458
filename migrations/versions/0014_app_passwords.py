"""App passwords, and the built-in client on which they hang."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLIENT = "app-password"


def upgrade() -> None:
    clients = sa.table(
        "clients",
        *(sa.column(name, sa.Text()) for name in ("id", "name", "kind")),
        *(
            sa.column(name, sa.JSON())
            for name in ("redirect_uris", "auth_methods", "scopes", "required_scopes", "registered")
        ),
        sa.column("created_at", sa.BigInteger()),
    )
    # What it may do stands in the program; the row is there for others to point to. If an operator
    # has a client of this name, this fails and nothing is changed: rename that client first.
    op.bulk_insert(
        clients,
        [
            {
                "id": _CLIENT,
                "name": "App passwords",
                "kind": "web",
                "redirect_uris": [],
                "auth_methods": ["none"],
                "scopes": ["openid", "profile", "email"],
                "required_scopes": [],
                "registered": {"grant_types": ["refresh_token"]},
                "created_at": int((datetime.now(UTC) - _EPOCH).total_seconds() * 1_000_000),
            }
        ],
    )
    op.create_table(
        "app_passwords",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("authorization_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("ends_at", sa.BigInteger()),
        sa.Column("last_used_at", sa.BigInteger()),
        sa.Column("last_used_from", sa.Text(), nullable=False),
        sa.Column("last_used_for", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["authorization_id"],
            ["authorizations.id"],
            name=op.f("fk_app_passwords_authorization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_passwords")),
        sa.UniqueConstraint("authorization_id", name=op.f("uq_app_passwords_authorization_id")),
        sa.UniqueConstraint("digest", name=op.f("uq_app_passwords_digest")),
    )


def downgrade() -> None:
    op.drop_table("app_passwords")
    clients = sa.table("clients", sa.column("id", sa.Text()))
    authorizations = sa.table("authorizations", sa.column("id"), sa.column("client_id", sa.Text()))
    personas = sa.table("personas", sa.column("id"), sa.column("client_id", sa.Text()))
    servers = sa.table("resource_servers", sa.column("client_id", sa.Text()))
    tokens = sa.table("access_tokens", sa.column("authorization_id", sa.Text()))
    # By hand: SQLite does not cascade while it migrates.
    gone = sa.select(authorizations.c.id).where(authorizations.c.client_id == _CLIENT)
    op.execute(sa.delete(servers).where(servers.c.client_id == _CLIENT))
    op.execute(sa.delete(tokens).where(tokens.c.authorization_id.in_(gone)))
    op.execute(sa.delete(authorizations).where(authorizations.c.client_id == _CLIENT))
    op.execute(sa.delete(personas).where(personas.c.client_id == _CLIENT))
    op.execute(sa.delete(clients).where(clients.c.id == _CLIENT))
