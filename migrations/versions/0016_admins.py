"""Admins, and the tokens by which somebody becomes one."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "admins",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_admins_account_id")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_admins")),
    )
    op.create_table(
        "managed_apps",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("app", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["admins.account_id"],
            name=op.f("fk_managed_apps_account_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account_id", "app", name=op.f("pk_managed_apps")),
    )
    op.create_table(
        "admin_tokens",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_admin_tokens")),
    )


def downgrade() -> None:
    for table in ("admin_tokens", "managed_apps", "admins"):
        op.drop_table(table)
