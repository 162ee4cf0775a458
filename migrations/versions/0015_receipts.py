"""What a consent said is kept with it; a persona stays when its account goes."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("consents", sa.Column("receipt", sa.JSON()))
    with op.batch_alter_table("personas") as personas:
        personas.alter_column("account_id", existing_type=sa.Text(), nullable=True)


def downgrade() -> None:
    # A Matrix ID whose person is gone stays taken: a blocked account that nobody opens holds it.
    op.execute(
        "INSERT INTO accounts (id, created_at, blocked_at, has_chosen_name, must_choose_name)"
        " SELECT id, created_at, created_at, false, false FROM personas WHERE account_id IS NULL"
    )
    op.execute("UPDATE personas SET account_id = id WHERE account_id IS NULL")
    with op.batch_alter_table("personas") as personas:
        personas.alter_column("account_id", existing_type=sa.Text(), nullable=False)
    with op.batch_alter_table("consents") as consents:
        consents.drop_column("receipt")
