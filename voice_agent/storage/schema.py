"""Schema upgrade to the newest version. Any number of processes may call it at once: one does it, the others wait."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from voice_agent.storage.database import Database

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 7_620_917  # arbitrary; the same for all our processes


def migrations(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    command.upgrade(migrations(connection), "head")


async def upgrade(database: Database) -> None:
    """On SQLite `begin()` is BEGIN IMMEDIATE and already excludes the others."""
    async with database.begin() as connection:
        if not database.is_sqlite:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        await connection.run_sync(_upgrade)
