"""Tables of rooms, leases, workers and the installation. Times are Unix seconds; none decides who holds a room."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Double, Index, Integer, String, Table

from voice_agent.storage.database import metadata

rooms = Table(
    "rooms",
    metadata,
    Column("name", String(64), primary_key=True),
    # See rooms/policy.py; NULL once closed, so that the next caller gets a new room.
    Column("key", String(300), unique=True),
    Column("policy", String(16), nullable=False),
    Column("job", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("wanted_until", Double, nullable=False),
    Column("last_human_at", Double, nullable=False),
    Column("closed_at", Double),
    # Grows with every claimed dispatch and never falls: a claim compares itself with it.
    Column("claims", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("claimed_at", Double, nullable=False),
    Column("recycles", JSON, nullable=False),
    Column("problem", JSON),
    Index("ix_rooms_closed_at", "closed_at"),
)

leases = Table(
    "leases",
    metadata,
    Column("room", String(64), primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("job", String(128)),
    Column("worker", String(128)),
    Column("beat", Integer, nullable=False),
    Column("health", JSON, nullable=False),
    Index("ix_leases_job", "job"),
    Index("ix_leases_worker", "worker"),
)

workers = Table(
    "workers",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("capacity", Integer, nullable=False),
    Column("active", Integer, nullable=False),
    Column("beat", Integer, nullable=False),
    # The worker's scope; empty: all, or a version that did not tell its scope.
    Column("agent_name", String(128), nullable=False, server_default=""),
    Column("roles", JSON, nullable=False, server_default="[]"),
    Column("businesses", JSON, nullable=False, server_default="[]"),
)

installation = Table(
    "installation",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False),
    # Moved by every monitor each LEASE_RENEWAL seconds, to see that its own writes succeed.
    Column("pulse", Integer, nullable=False),
)
"""One row: this installation."""
