"""Every contract test runs on SQLite and on Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.databases import fresh_postgres_database, running_postgres, sqlite_database
from tests.support.newest import upgraded, with_schema
from voice_agent.settings import Settings
from voice_agent.storage import Database

NEWEST = "newest"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Settings]:
    """With a database that has the newest schema, to be copied."""
    with running_postgres() as settings:
        asyncio.run(with_schema(asyncio.run(fresh_postgres_database(settings, NEWEST))))
        yield settings


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, postgres_server: Settings, tmp_path: Path) -> str:
    """Empty, unless the test also takes `database`."""
    if request.param == "sqlite":
        return sqlite_database(tmp_path)
    like = NEWEST if "database" in request.fixturenames else "template1"
    return asyncio.run(fresh_postgres_database(postgres_server, "contract", like))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """With the newest schema."""
    opened = Database(database_url)
    if opened.is_sqlite:
        await upgraded(opened)
    yield opened
    await opened.close()
