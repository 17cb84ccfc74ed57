"""People, homes, facts, tombstones and vectors; speaker and learning state of turns; rewriting state of threads."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("memory_turns", sa.Column("person_id", sa.String(300), nullable=False, server_default=""))
    op.add_column("memory_turns", sa.Column("learning", sa.String(16), nullable=False, server_default="none"))
    op.add_column("memory_turns", sa.Column("learning_attempts", sa.Integer, nullable=False, server_default="0"))
    op.add_column("memory_turns", sa.Column("learning_note", sa.Text, nullable=False, server_default=""))
    op.create_index("ix_memory_turns_learning", "memory_turns", ["learning", "seq"])
    op.create_index("ix_memory_turns_person", "memory_turns", ["person_id", "letta_agent_id", "seq"])
    op.add_column("sessions", sa.Column("person_id", sa.String(300), nullable=False, server_default=""))
    op.add_column("memory_threads", sa.Column("rewrite", sa.String(16), nullable=False, server_default=""))
    op.add_column("memory_threads", sa.Column("rewrite_asked", sa.Integer, nullable=False, server_default="0"))
    op.add_column("memory_threads", sa.Column("old_conversation_id", sa.String(128)))
    op.create_table(
        "people",
        sa.Column("person_id", sa.String(300), primary_key=True),
        sa.Column("key_hash", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("revoked_at", sa.Double),
        sa.UniqueConstraint("key_hash", name="uq_people_key_hash"),
    )
    op.create_table(
        "memory_homes",
        sa.Column("letta_agent_id", sa.String(128), nullable=False),
        sa.Column("person_id", sa.String(300), nullable=False),
        sa.Column("home_agent_id", sa.String(128)),
        sa.Column("blocks_version", sa.String(64), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("letta_agent_id", "person_id", name="pk_memory_homes"),
    )
    op.create_table(
        "memory_facts",
        sa.Column("fact_id", sa.String(80), primary_key=True),
        sa.Column("letta_agent_id", sa.String(128), nullable=False),
        sa.Column("person_id", sa.String(300), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("turn_id", sa.String(64), nullable=False, server_default=""),
        sa.Column("session_id", sa.String(64), nullable=False, server_default=""),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("replaces", sa.String(80), nullable=False, server_default=""),
        sa.Column("archive_state", sa.String(16), nullable=False),
        sa.Column("archive_attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("passage_id", sa.String(128), nullable=False, server_default=""),
        sa.Column("note", sa.Text, nullable=False, server_default=""),
        sa.Column("revision", sa.Integer, nullable=False, server_default="0"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )
    op.create_index("ix_memory_facts_person", "memory_facts", ["letta_agent_id", "person_id", "revision"])
    op.create_index("ix_memory_facts_archive", "memory_facts", ["archive_state"])
    op.create_index("ix_memory_facts_turn", "memory_facts", ["turn_id"])
    op.create_table(
        "memory_fact_revisions",
        sa.Column("letta_agent_id", sa.String(128), nullable=False),
        sa.Column("person_id", sa.String(300), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("letta_agent_id", "person_id", name="pk_memory_fact_revisions"),
    )
    op.create_table(
        "memory_forgotten_turns",
        sa.Column("turn_id", sa.String(64), primary_key=True),
        sa.Column("forgotten_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )
    op.create_table(
        "memory_forgotten_texts",
        sa.Column("letta_agent_id", sa.String(128), nullable=False),
        sa.Column("person_id", sa.String(300), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("letta_agent_id", "person_id", "digest", name="pk_memory_forgotten_texts"),
    )
    op.create_table(
        "memory_vectors",
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("text_hash", sa.String(64), nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("model", "text_hash", name="pk_memory_vectors"),
    )


def downgrade() -> None:
    for table in (
        "memory_vectors",
        "memory_forgotten_texts",
        "memory_forgotten_turns",
        "memory_fact_revisions",
        "memory_facts",
        "memory_homes",
        "people",
    ):
        op.drop_table(table)
    op.drop_column("memory_threads", "old_conversation_id")
    op.drop_column("memory_threads", "rewrite_asked")
    op.drop_column("memory_threads", "rewrite")
    op.drop_column("sessions", "person_id")
    op.drop_index("ix_memory_turns_person", "memory_turns")
    op.drop_index("ix_memory_turns_learning", "memory_turns")
    for column in ("learning_note", "learning_attempts", "learning", "person_id"):
        op.drop_column("memory_turns", column)
