"""Questions of sign-in pages to chat apps, and whom an app's key has signed in."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "chat_questions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("browser", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("asks", sa.Text(), nullable=False),
        sa.Column("challenge", sa.Text(), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("tried_at", sa.BigInteger()),
        sa.Column("fault", sa.Text()),
        sa.Column("proved", sa.JSON(none_as_null=True)),
        sa.Column("app", sa.Text()),
        sa.Column("name", sa.Text()),
        sa.Column("owner", sa.Text()),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("taken_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chat_questions")),
        sa.UniqueConstraint("digest", name=op.f("uq_chat_questions_digest")),
    )
    op.create_index(op.f("ix_chat_questions_expires_at"), "chat_questions", ["expires_at"])
    op.create_index(op.f("ix_chat_questions_request_id"), "chat_questions", ["request_id"])
    op.add_column("sessions", sa.Column("app", sa.Text(), nullable=False, server_default=""))
    op.add_column("authorization_requests", sa.Column("session_id", sa.Text()))


def downgrade() -> None:
    with op.batch_alter_table("authorization_requests") as requests:
        requests.drop_column("session_id")
    with op.batch_alter_table("sessions") as sessions:
        sessions.drop_column("app")
    op.drop_table("chat_questions")
