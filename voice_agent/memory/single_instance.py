"""Lock that allows one drainer per Letta, because Letta cannot fence a late sender. It ends with its process.

On SQLite all our processes share a machine and a folder: a file lock. On Postgres they may run anywhere: an advisory
lock, which lives as long as its connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from voice_agent.errors import Code, Temporary
from voice_agent.storage.database import Database

_LOOK_AGAIN: Final = 2.0
"""Polling interval: neither lock offers an event to wait for without blocking a thread or a connection."""

StillMine = Callable[[], Awaitable[None]]
"""Raises `Temporary` when the lock is gone."""


@contextlib.asynccontextmanager
async def single_instance(database: Database, path: Path, letta_url: str) -> AsyncIterator[StillMine]:
    lock = _file_lock(path) if database.is_sqlite else _advisory_lock(database, letta_url)
    async with lock as still_mine:
        yield still_mine


@contextlib.asynccontextmanager
async def _file_lock(path: Path) -> AsyncIterator[StillMine]:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)

    async def still_mine() -> None:
        """A file lock cannot be lost."""

    try:
        await _until(lambda: _flock(handle))
        yield still_mine
    finally:
        os.close(handle)


async def _until(taken: Callable[[], Awaitable[bool | None]]) -> None:
    while True:
        if await taken():
            return
        await asyncio.sleep(_LOOK_AGAIN)


async def _flock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.asynccontextmanager
async def _advisory_lock(database: Database, letta_url: str) -> AsyncIterator[StillMine]:
    key = int.from_bytes(hashlib.sha256(letta_url.encode()).digest()[:8], signed=True)
    try:
        async with database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:

            async def still_mine() -> None:
                try:
                    await connection.execute(text("SELECT 1"))
                except DBAPIError as error:
                    raise _lost(error) from error

            await _until(lambda: connection.scalar(select(func.pg_try_advisory_lock(key))))
            try:
                yield still_mine
            finally:
                # The pool would keep the connection, and with it the lock.
                await connection.invalidate()
    except (DBAPIError, OSError) as error:
        raise _lost(error) from error


def _lost(error: Exception) -> Temporary:
    return Temporary(
        Code.DATABASE_UNAVAILABLE,
        f"The connection that held the drainer's lock is gone ({type(error).__name__}).",
        "It is taken again by itself.",
    )
