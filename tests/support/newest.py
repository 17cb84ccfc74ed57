"""New databases with the newest schema, without its migrations for each: copies of one that was upgraded."""

from __future__ import annotations

import asyncio
import tempfile
from functools import cache
from pathlib import Path

from voice_agent.storage import Database, upgrade


async def upgraded(database: Database) -> None:
    """As `upgrade`, for a new SQLite file."""
    assert database.url.database
    await asyncio.to_thread(Path(database.url.database).write_bytes, await asyncio.to_thread(newest_file))


@cache
def newest_file() -> bytes:
    """A SQLite file; made once in a process."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(with_schema(f"sqlite+aiosqlite:///{folder}/voice.db"))
        return Path(folder, "voice.db").read_bytes()


async def with_schema(url: str) -> None:
    database = Database(url)
    await upgrade(database)
    await database.close()  # merges SQLite's write-ahead log into its file
