"""Full disk: a writer is told why it fails, and that a later attempt may succeed."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from voice_agent.errors import Code, Temporary
from voice_agent.storage.database import Database


async def test_a_full_disk_is_named_and_room_ends_it(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/voice.db")
    try:
        async with database.begin() as connection:
            await connection.execute(text("CREATE TABLE things (thing BLOB)"))
            pages = await connection.scalar(text("PRAGMA page_count"))
            # SQLite says the same of a file that may not grow as of a disk that has no room.
            await connection.execute(text(f"PRAGMA max_page_count={pages}"))
        with pytest.raises(Temporary) as full:
            async with database.begin() as connection:
                await connection.execute(text("INSERT INTO things VALUES (zeroblob(1000000))"))
        assert full.value.code is Code.DATABASE_UNAVAILABLE
        assert "The disk is full" in full.value.message
        assert "Free some space" in full.value.remedy
        async with database.begin() as connection:
            await connection.execute(text("PRAGMA max_page_count=1000000"))
            await connection.execute(text("INSERT INTO things VALUES (zeroblob(1000000))"))
    finally:
        await database.close()
