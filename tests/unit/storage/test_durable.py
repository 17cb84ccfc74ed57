"""What is committed outlives a power cut: the tests do not wait for the disk, the product does."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from tests.conftest import DURABLE
from tests.support.databases import sqlite_database
from voice_agent.storage import Database
from voice_agent.storage import database as database_module

FULL = 2
"""As SQLite answers."""


async def test_each_commit_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "SYNCHRONOUS", DURABLE)
    database = Database(sqlite_database(tmp_path))
    async with database.begin() as connection:
        assert await connection.scalar(text("PRAGMA synchronous")) == FULL
    await database.close()
