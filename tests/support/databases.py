"""Databases that we support: SQLite, and a real Postgres that belongs to the test run."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg

from tests.support.stack import free_ports, temporary_home
from voice_agent.settings import Settings
from voice_agent.stack import postgres

READY_WITHIN = 60.0
NO_POWER_CUTS = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
"""As for SQLite in tests/conftest.py."""


@contextlib.contextmanager
def running_postgres() -> Iterator[Settings]:
    with temporary_home() as home:
        settings = Settings(home=home, postgres_port=free_ports(1)[0])
        asyncio.run(postgres.provision(settings, lambda _line: None))
        account = postgres.account()
        process = subprocess.Popen(
            [*postgres.command(settings), *NO_POWER_CUTS],
            cwd=postgres.directory(settings),
            env=postgres.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=account.uid if account else None,
            group=account.gid if account else None,
        )
        try:
            asyncio.run(_ready(settings))
            yield settings
        finally:
            process.terminate()
            process.wait(20)


async def _ready(settings: Settings) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while True:
        try:
            await (await asyncpg.connect(postgres.url(settings, "postgres"))).close()
            return
        except (OSError, asyncpg.PostgresError):
            assert time.monotonic() < deadline, "Postgres did not start"
            await asyncio.sleep(0.1)


async def fresh_postgres_database(settings: Settings, name: str, like: str = "template1") -> str:
    """`like`: the database of which it is a copy."""
    connection = await asyncpg.connect(postgres.url(settings, "postgres"))
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{like}"')
    finally:
        await connection.close()
    return postgres.url(settings, name).replace("postgresql://", "postgresql+asyncpg://")


def sqlite_database(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder / 'voice.db'}"
