"""Tables of memory: turns, their threads, snapshots, and homes."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, DateTime, Index, Integer, String, Table, Text, func

from voice_agent.storage.database import metadata

threads = Table(
    "memory_threads",
    metadata,
    Column("thread", String(300), primary_key=True),
    Column("letta_agent_id", String(128), nullable=False),
    Column("conversation_id", String(128)),
    Column("episode", Integer, nullable=False, server_default="0"),
    Column("confirmed_turn", String(64)),
    Column("greeted", String(1000), nullable=False, server_default=""),
    # Reflection is allowed for turns up to settle_upto, and done for turns up to settled_upto.
    Column("settle_upto", Integer, nullable=False, server_default="0"),
    Column("settled_upto", Integer, nullable=False, server_default="0"),
    # What is left to do in Letta after something was forgotten (rewriting.py), and the conversation to delete.
    Column("rewrite", String(16), nullable=False, server_default=""),
    Column("rewrite_asked", Integer, nullable=False, server_default="0"),
    Column("old_conversation_id", String(128)),
)

turns = Table(
    "memory_turns",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("turn_id", String(64), nullable=False, unique=True),
    Column("thread", String(300), nullable=False),
    Column("session_id", String(64), nullable=False),
    Column("letta_agent_id", String(128), nullable=False),
    Column("episode", Integer, nullable=False),
    Column("user_text", Text, nullable=False),
    Column("assistant_text", Text, nullable=False),
    Column("interrupted", Boolean, nullable=False),
    Column("tools", JSON, nullable=False, server_default="[]"),
    Column("speaker", String(200), nullable=False),
    Column("person_id", String(300), nullable=False, server_default=""),
    Column("scope", String(16), nullable=False),
    Column("path", String(16), nullable=False, server_default="hybrid"),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("note", Text, nullable=False, server_default=""),
    # Whether facts are still to be extracted from it (facts/learner.py).
    Column("learning", String(16), nullable=False, server_default="none"),
    Column("learning_attempts", Integer, nullable=False, server_default="0"),
    Column("learning_note", Text, nullable=False, server_default=""),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("ix_memory_turns_state", "state", "seq"),
    Index("ix_memory_turns_learning", "learning", "seq"),
    Index("ix_memory_turns_person", "person_id", "letta_agent_id", "seq"),
    Index("ix_memory_turns_thread", "thread", "seq"),
    Index("ix_memory_turns_session", "session_id", "seq"),
)

snapshots = Table(
    "memory_snapshots",
    metadata,
    Column("letta_agent_id", String(128), primary_key=True),
    Column("persona_name", Text, nullable=False),
    Column("blocks", JSON, nullable=False),
    Column("loaded_at", DateTime(timezone=True), nullable=False),
)

homes = Table(
    "memory_homes",
    metadata,
    Column("letta_agent_id", String(128), primary_key=True),
    Column("person_id", String(300), primary_key=True),
    # home_agent_id: created on first use. blocks_version: version of the assistant's blocks that the home copies.
    Column("home_agent_id", String(128)),
    Column("blocks_version", String(64), nullable=False, server_default=""),
)
