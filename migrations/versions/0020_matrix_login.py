"""As whom an app password signs in at a homeserver."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("app_passwords") as passwords:
        passwords.add_column(sa.Column("matrix_persona_id", sa.Text()))
        passwords.create_foreign_key(
            op.f("fk_app_passwords_matrix_persona_id"),
            "personas",
            ["matrix_persona_id"],
            ["id"],
            ondelete="SET NULL",
        )
        passwords.create_index(op.f("ix_app_passwords_ends_at"), ["ends_at"])


def downgrade() -> None:
    with op.batch_alter_table("app_passwords") as passwords:
        passwords.drop_index(op.f("ix_app_passwords_ends_at"))
        passwords.drop_constraint(op.f("fk_app_passwords_matrix_persona_id"), type_="foreignkey")
        passwords.drop_column("matrix_persona_id")
