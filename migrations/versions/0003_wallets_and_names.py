"""One person behind several keys; names apart from keys; sign-ins handed to another device."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_PROFILE = ("display_name", "picture", "email")


def upgrade() -> None:
    op.create_table(
        "names",
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("identity_id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("confirmed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["identity_id"],
            ["identities.id"],
            name=op.f("fk_names_identity_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("text", name=op.f("pk_names")),
    )
    op.create_index(op.f("ix_names_identity_id"), "names", ["identity_id"], unique=False)
    op.create_table(
        "handovers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("browser", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=True),
        sa.Column("opened_with", sa.Text(), nullable=False),
        sa.Column("proved", sa.JSON(), nullable=True),
        sa.Column("refused_at", sa.BigInteger(), nullable=True),
        sa.Column("taken_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_handovers")),
        sa.UniqueConstraint("digest", name=op.f("uq_handovers_digest")),
    )
    op.create_index(op.f("ix_handovers_expires_at"), "handovers", ["expires_at"], unique=False)
    op.create_index(op.f("ix_handovers_request_id"), "handovers", ["request_id"], unique=False)

    with op.batch_alter_table("accounts") as accounts:
        accounts.add_column(sa.Column("name", sa.Text(), nullable=True))
        for column in ("has_chosen_name", "must_choose_name"):
            accounts.add_column(
                sa.Column(column, sa.Boolean(), server_default=sa.false(), nullable=False)
            )
        for column in _PROFILE:
            accounts.add_column(sa.Column(column, sa.Text(), nullable=True))
        accounts.create_unique_constraint(op.f("uq_accounts_name"), ["name"])
    _move_to_accounts()

    with op.batch_alter_table("authorizations") as authorizations:
        authorizations.drop_constraint(op.f("fk_authorizations_identity_id"), type_="foreignkey")
        authorizations.drop_column("identity_id")
    with op.batch_alter_table("identities") as identities:
        for column in ("name", "name_checked_at", *_PROFILE):
            identities.drop_column(column)
        identities.add_column(sa.Column("names_asked_at", sa.BigInteger(), nullable=True))
        identities.drop_constraint(op.f("uq_identities_method_subject"), type_="unique")
        identities.create_unique_constraint(
            op.f("uq_identities_subject_method"), ["subject", "method"]
        )

    with op.batch_alter_table("authorization_requests") as requests:
        requests.add_column(
            sa.Column("purpose", sa.Text(), server_default="sign-in", nullable=False)
        )
        requests.add_column(sa.Column("proved", sa.JSON(), server_default="[]", nullable=False))
    # What waits for a wallet at this moment is asked anew.
    op.execute("DELETE FROM challenges")
    with op.batch_alter_table("challenges") as challenges:
        challenges.drop_column("method")
        challenges.add_column(sa.Column("handover_id", sa.Text(), nullable=True))
        challenges.add_column(sa.Column("statement", sa.Text(), nullable=False))
        challenges.add_column(sa.Column("address", sa.Text(), nullable=True))


def _move_to_accounts() -> None:
    """An account had one identity; of two with one name, the last confirmed has it."""
    op.execute(
        "INSERT INTO names (text, identity_id, owner, confirmed_at)"
        " SELECT name, id, subject, name_checked_at FROM identities AS mine"
        " WHERE name IS NOT NULL AND NOT EXISTS ("
        "  SELECT 1 FROM identities AS other WHERE other.name = mine.name AND"
        "  (other.name_checked_at > mine.name_checked_at OR"
        "   (other.name_checked_at = mine.name_checked_at AND other.id > mine.id)))"
    )
    for column in _PROFILE:
        op.execute(
            f"UPDATE accounts SET {column} ="  # noqa: S608 (a constant of ours)
            f" (SELECT {column} FROM identities WHERE account_id = accounts.id)"
        )
    op.execute(
        "UPDATE accounts SET has_chosen_name = true, name ="
        " (SELECT text FROM names JOIN identities ON identities.id = names.identity_id"
        "  WHERE account_id = accounts.id)"
        " WHERE id IN (SELECT account_id FROM names"
        "  JOIN identities ON identities.id = names.identity_id)"
    )


def downgrade() -> None:
    with op.batch_alter_table("challenges") as challenges:
        for column in ("address", "statement", "handover_id"):
            challenges.drop_column(column)
        challenges.add_column(
            sa.Column("method", sa.Text(), server_default="blockstack", nullable=False)
        )
    with op.batch_alter_table("authorization_requests") as requests:
        requests.drop_column("proved")
        requests.drop_column("purpose")
    with op.batch_alter_table("identities") as identities:
        identities.drop_constraint(op.f("uq_identities_subject_method"), type_="unique")
        identities.create_unique_constraint(
            op.f("uq_identities_method_subject"), ["method", "subject"]
        )
        identities.drop_column("names_asked_at")
        identities.add_column(sa.Column("name", sa.Text(), nullable=True))
        identities.add_column(sa.Column("name_checked_at", sa.BigInteger(), nullable=True))
        for column in _PROFILE:
            identities.add_column(sa.Column(column, sa.Text(), nullable=True))
    with op.batch_alter_table("authorizations") as authorizations:
        authorizations.add_column(sa.Column("identity_id", sa.Text(), nullable=True))
        authorizations.create_foreign_key(
            op.f("fk_authorizations_identity_id"), "identities", ["identity_id"], ["id"]
        )
    with op.batch_alter_table("accounts") as accounts:
        accounts.drop_constraint(op.f("uq_accounts_name"), type_="unique")
        for column in ("name", "has_chosen_name", "must_choose_name", *_PROFILE):
            accounts.drop_column(column)
    op.drop_table("handovers")
    op.drop_table("names")
