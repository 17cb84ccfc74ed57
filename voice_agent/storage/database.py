"""Database engine that all parts share: SQLite by default, Postgres by URL."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite
from sqlalchemy import Executable, MetaData, Table, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from voice_agent.errors import Code, Permanent, Temporary

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    }
)

SYNCHRONOUS = "FULL"
"""Of SQLite: a commit survives a power cut. The death of a process loses nothing either way."""
_SCRUB_PATIENCE = 2.0
"""Seconds that a scrub waits for readers: writers wait meanwhile."""
_POSTGRES_WRITERS = 1024  # the pool is the limit
_READ = {"voice_agent_read": True}


class Database:
    """Owner of the engine. `begin()` is one transaction that may write, `read()` one that does not."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.url.database and self.is_sqlite:
            _create_private(self.url.database)
        # A connection to a file is never lost; testing it first would be a third of the cost of a short query.
        opens = {"async_creator_fn": _open_sqlite} if self.is_sqlite else {}
        self.engine: AsyncEngine = create_async_engine(self.url, pool_pre_ping=not self.is_sqlite, connect_args=opens)
        # SQLite has one writer. Ours queue here, in order; inside SQLite they would race whenever the lock is free.
        self._writers = asyncio.Semaphore(1 if self.is_sqlite else _POSTGRES_WRITERS)
        if self.is_sqlite:
            event.listen(self.engine.sync_engine, "connect", _sqlite_pragmas)
            event.listen(self.engine.sync_engine, "begin", _sqlite_begin)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        async with _translated(), self._writers, self.engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Sees the last commit and waits for no writer: it works while the database is locked."""
        async with _translated(), self.engine.execution_options(**_READ).connect() as connection, connection.begin():
            yield connection

    async def ping(self) -> None:
        async with self.read() as connection:
            await connection.execute(text("SELECT 1"))

    async def scrub(self) -> None:
        """Brings SQLite's write-ahead log into its file and empties it: deleted text stands in neither then. Left for a
        later time while somebody reads."""
        if self.is_sqlite and self.url.database:
            async with self._writers:
                await asyncio.to_thread(_checkpoint, self.url.database)

    async def close(self) -> None:
        await self.engine.dispose()


def _create_private(database: str) -> None:
    """Creates the file with its mode: the files that SQLite puts beside it (its WAL) get the same one."""
    if database == ":memory:" or database.startswith("file:"):
        return
    path = Path(database)
    with suppress(OSError):  # the first connection reports it, with a remedy
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except (IntegrityError, ProgrammingError):
        raise  # the caller's statement, not the database's health
    except DBAPIError as error:
        if "no such table" in str(error.orig):
            raise Permanent(
                Code.DATABASE_UNAVAILABLE, "The database has no tables yet.", "Start 'voice-agent serve' once."
            ) from error
        raise _away(error.orig or error) from error
    except (PoolTimeout, OSError) as error:
        raise _away(error) from error


def _away(error: BaseException) -> Temporary:
    if "disk is full" in str(error) or getattr(error, "errno", None) == errno.ENOSPC:
        return Temporary(
            Code.DATABASE_UNAVAILABLE,
            "The disk is full: nothing can be written to the database.",
            "Free some space where VOICE_HOME or the database is; it is tried again by itself.",
        )
    return Temporary(
        Code.DATABASE_UNAVAILABLE,
        f"The database cannot be used now ({type(error).__name__}).",
        "Check VOICE_DATABASE_URL and that the database is up; it is tried again by itself.",
    )


def _checkpoint(file: str) -> None:
    with suppress(sqlite3.Error), closing(sqlite3.connect(file, timeout=_SCRUB_PATIENCE)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


class _SqliteConnection(aiosqlite.Connection):
    """SQLite connection whose thread is told to end once: who waits for its answer to a second order waits for ever.

    SQLAlchemy stops a connection that a cancelled task is closing.
    """

    stopping: asyncio.Future[Any] | None = None

    def stop(self) -> asyncio.Future[Any] | None:
        if self.stopping is None:
            self.stopping = super().stop()
        return self.stopping


async def _open_sqlite(*arguments: Any, **options: Any) -> aiosqlite.Connection:
    """A connection that cannot be opened leaves no thread behind: it would answer to a loop that is closed by then, and
    print a traceback."""
    connection = _SqliteConnection(partial(sqlite3.connect, *arguments, **options), 64)
    connection._thread.daemon = True  # as in SQLAlchemy
    try:
        return await connection
    except sqlite3.Error:
        if connection.stopping is not None:
            await connection.stopping
        raise


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    # The driver's own transaction handling would let two readers deadlock on upgrade, so we send BEGIN IMMEDIATE.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "busy_timeout=10000",
        "journal_mode=WAL",
        f"synchronous={SYNCHRONOUS}",
        "foreign_keys=ON",
        "secure_delete=ON",  # what was deleted does not stand in the file any more
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin(connection: Any) -> None:
    reads = connection.get_execution_options().get("voice_agent_read", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def aware(moment: datetime) -> datetime:
    """SQLite drops the time zone; what we store is UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def insert_if_absent(database: Database, table: Table, row: Mapping[str, Any]) -> Executable:
    """INSERT … ON CONFLICT DO NOTHING, which standard SQL does not have."""
    if database.is_sqlite:
        return sqlite.insert(table).values(dict(row)).on_conflict_do_nothing()
    return postgresql.insert(table).values(dict(row)).on_conflict_do_nothing()
