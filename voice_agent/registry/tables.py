"""Tables of saved agents, sessions and people. Times are Unix seconds."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Double, Index, Integer, String, Table, Text

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
