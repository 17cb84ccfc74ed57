"""Outbox of turns, and the threads it feeds."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "memory_threads",
        sa.Column("thread", sa.String(300), primary_key=True),
        sa.Column("letta_agent_id", sa.String(128), nullable=False),
        sa.Column("conversation_id", sa.String(128)),
        sa.Column("episode", sa.Integer, nullable=False, server_default="0"),
        sa.Column("confirmed_turn", sa.String(64)),
        sa.Column("greeted", sa.String(1000), nullable=False, server_default=""),
    )
    op.create_table(
        "memory_turns",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("turn_id", sa.String(64), nullable=False),
        sa.Column("thread", sa.String(300), nullable=False),
        sa.Column("session_id", sa.String(64), nullable=False),
        sa.Column("letta_agent_id", sa.String(128), nullable=False),
        sa.Column("episode", sa.Integer, nullable=False),
        sa.Column("user_text", sa.Text, nullable=False),
        sa.Column("assistant_text", sa.Text, nullable=False),
        sa.Column("interrupted", sa.Boolean, nullable=False),
        sa.Column("speaker", sa.String(200), nullable=False),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("note", sa.Text, nullable=False, server_default=""),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.UniqueConstraint("turn_id", name=op.f("uq_memory_turns_turn_id")),
    )
    op.create_index("ix_memory_turns_state", "memory_turns", ["state", "seq"])
    op.create_index("ix_memory_turns_thread", "memory_turns", ["thread", "seq"])
    op.create_index("ix_memory_turns_session", "memory_turns", ["session_id", "seq"])


def downgrade() -> None:
    op.drop_table("memory_turns")
    op.drop_table("memory_threads")
