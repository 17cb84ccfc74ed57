"""Tables of facts, of the tombstones that forgetting leaves, and of text vectors (a cache)."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, Index, Integer, LargeBinary, String, Table, Text, func

from voice_agent.storage.database import metadata

facts = Table(
    "memory_facts",
    metadata,
    Column("fact_id", String(80), primary_key=True),
    Column("letta_agent_id", String(128), nullable=False),
    Column("person_id", String(300), nullable=False),
    Column("text", Text, nullable=False),
    Column("source", String(16), nullable=False),
    Column("turn_id", String(64), nullable=False, server_default=""),
    Column("session_id", String(64), nullable=False, server_default=""),
    Column("said_at", DateTime(timezone=True), nullable=False),
    Column("state", String(16), nullable=False),
    Column("replaces", String(80), nullable=False, server_default=""),
    Column("said", Text, nullable=False, server_default=""),
    # Whether Letta holds it as a passage (archive.py).
    Column("archive_state", String(16), nullable=False),
    Column("archive_attempts", Integer, nullable=False, server_default="0"),
    Column("passage_id", String(128), nullable=False, server_default=""),
    Column("note", Text, nullable=False, server_default=""),
    # Of the person's facts when this one last changed: readers of an older revision read only what came since.
    Column("revision", Integer, nullable=False, server_default="0"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("ix_memory_facts_person", "letta_agent_id", "person_id", "revision"),
    Index("ix_memory_facts_archive", "archive_state"),
    Index("ix_memory_facts_turn", "turn_id"),
)

revisions = Table(
    "memory_fact_revisions",
    metadata,
    Column("letta_agent_id", String(128), primary_key=True),
    Column("person_id", String(300), primary_key=True),
    Column("revision", Integer, nullable=False),
)

forgotten_turns = Table(
    "memory_forgotten_turns",
    metadata,
    Column("turn_id", String(64), primary_key=True),
    Column("forgotten_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

forgotten_texts = Table(
    "memory_forgotten_texts",
    metadata,
    Column("letta_agent_id", String(128), primary_key=True),
    Column("person_id", String(300), primary_key=True),
    # Digest of the words of a forgotten fact: recognises them when they come back, reveals nothing by itself.
    Column("digest", String(64), primary_key=True),
)

vectors = Table(
    "memory_vectors",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("text_hash", String(64), primary_key=True),
    Column("vector", LargeBinary, nullable=False),
)
