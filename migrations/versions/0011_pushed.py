"""Requests that clients push, and what else a request may ask for."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_TEXTS = ("login_hint", "dpop_jkt", "pushed")


def upgrade() -> None:
    op.create_table(
        "pushed_requests",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("opens_until", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.id"],
            name=op.f("fk_pushed_requests_client_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_pushed_requests")),
    )
    op.create_index(op.f("ix_pushed_requests_expires_at"), "pushed_requests", ["expires_at"])
    op.add_column(
        "authorization_requests",
        sa.Column("response_mode", sa.Text(), server_default="query", nullable=False),
    )
    op.add_column(
        "authorization_requests",
        sa.Column("subjects", sa.JSON(), server_default="[]", nullable=False),
    )
    for name in _TEXTS:
        op.add_column("authorization_requests", sa.Column(name, sa.Text()))
    op.add_column("authorizations", sa.Column("dpop_jkt", sa.Text()))


def downgrade() -> None:
    with op.batch_alter_table("authorizations") as authorizations:
        authorizations.drop_column("dpop_jkt")
    with op.batch_alter_table("authorization_requests") as requests:
        for name in (*reversed(_TEXTS), "subjects", "response_mode"):
            requests.drop_column(name)
    op.drop_index(op.f("ix_pushed_requests_expires_at"), table_name="pushed_requests")
    op.drop_table("pushed_requests")
