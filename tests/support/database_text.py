"""All text in all tables, for tests that words are stored nowhere."""

from __future__ import annotations

from sqlalchemy import select

from voice_agent.storage.database import Database, metadata


async def all_text(database: Database) -> str:
    found: list[str] = []
    async with database.read() as connection:
        for table in metadata.sorted_tables:
            found += [repr(tuple(row)) for row in await connection.execute(select(table))]
    return "\n".join(found)
