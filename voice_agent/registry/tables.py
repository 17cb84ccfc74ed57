"""Tables of saved agents, sessions, people and their sign-ins. Times are Unix seconds."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Double, Index, Integer, String, Table, Text

from voice_agent.storage.database import metadata

agents = Table(
    "agents",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("description", Text, nullable=False),
    Column("letta_agent_id", String(128), nullable=False),
    Column("role", String(16), nullable=False),
    Column("config", JSON, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("deleted_at", Double),
)

own_memories = Table(
    "agent_memories",
    metadata,
    Column("agent_id", String(64), primary_key=True),
    # The Letta agent that was made for this assistant; none yet while it is being made.
    Column("letta_agent_id", String(128)),
    # It is to be deleted in Letta (web/memory_cleaner.py).
    Column("leaving", Boolean, nullable=False),
    Column("changed_at", Double, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("secret_hash", String(64), nullable=False),
    Column("room_name", String(64), nullable=False),
    Column("identity", String(128), nullable=False),
    Column("agent_id", String(128), nullable=False),
    Column("agent_name", String(200), nullable=False),
    Column("letta_agent_id", String(128), nullable=False),
    Column("role", String(16), nullable=False),
    Column("business_id", String(128), nullable=False),
    Column("user_id", String(128), nullable=False),
    Column("user_name", String(200), nullable=False),
    Column("user_email", String(320), nullable=False),
    Column("person_id", String(300), nullable=False, server_default=""),
    Column("config", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("last_human_at", Double, nullable=False),
    Column("ended_at", Double),
    Index("ix_sessions_room_name", "room_name"),
    Index("ix_sessions_created_at", "created_at"),
)

people = Table(
    "people",
    metadata,
    Column("person_id", String(300), primary_key=True),
    Column("key_hash", String(64), nullable=False, unique=True),
    Column("created_at", Double, nullable=False),
    Column("revoked_at", Double),
)

profiles = Table(
    "person_profiles",
    metadata,
    Column("person_id", String(300), primary_key=True),
    # The name by which the person wants to be called.
    Column("user_name", String(200), nullable=False),
    Column("updated_at", Double, nullable=False),
)

deletions = Table(
    "person_deletions",
    metadata,
    Column("person_id", String(300), primary_key=True),
    Column("asked_at", Double, nullable=False),
    # What is left to do outside of the database (rooms/deletion.py), and why it is not done yet.
    Column("remaining", JSON, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
)

sign_ins = Table(
    "sign_ins",
    metadata,
    # Of the cookie; the cookie itself is stored nowhere here.
    Column("secret_hash", String(64), primary_key=True),
    Column("person_id", String(300), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index("ix_sign_ins_person_id", "person_id"),
)

sign_in_attempts = Table(
    "sign_in_attempts",
    metadata,
    # Of the cookie of the browser that began it.
    Column("secret_hash", String(64), primary_key=True),
    Column("state", String(64), nullable=False),
    Column("nonce", String(64), nullable=False),
    Column("code_verifier", String(128), nullable=False),
    Column("expires_at", Double, nullable=False),
)
