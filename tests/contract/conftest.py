"""Every contract test runs on SQLite and on Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.databases import fresh_postgres_database, running_postgres, sqlite_database
from voice_agent.settings import Settings
from voice_agent.storage import Database, upgrade


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Settings]:
    with running_postgres() as settings:
        yield settings


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, postgres_server: Settings, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return sqlite_database(tmp_path)
    return asyncio.run(fresh_postgres_database(postgres_server, "contract"))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url)
    await upgrade(opened)
    yield opened
    await opened.close()
