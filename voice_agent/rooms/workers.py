"""The roll of workers: LiveKit tells nobody who could take a job, so workers say it themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, select, update

from voice_agent.contracts import LEASE_RENEWAL
from voice_agent.errors import Temporary
from voice_agent.rooms.tables import workers
from voice_agent.storage.database import Database, insert_if_absent

_UNREGISTERED_LOOK: Final = 0.25


@dataclass(frozen=True, slots=True)
class WorkerRow:
    name: str
    capacity: int
    active: int
    beat: int


class WorkerRoll:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def announce(self, name: str, capacity: int, active: int) -> None:
        """Every LEASE_RENEWAL seconds, and when its jobs change, by each worker that LiveKit has registered."""
        row = {"name": name, "capacity": capacity, "active": active, "beat": 0}
        async with self._database.begin() as connection:
            await connection.execute(insert_if_absent(self._database, workers, row))
            change = update(workers).where(workers.c.name == name)
            await connection.execute(change.values(capacity=capacity, active=active, beat=workers.c.beat + 1))

    async def strike(self, name: str) -> None:
        """It stopped, or died."""
        async with self._database.begin() as connection:
            await connection.execute(delete(workers).where(workers.c.name == name))

    async def all(self) -> list[WorkerRow]:
        async with self._database.read() as connection:
            return [WorkerRow(**row._asdict()) for row in await connection.execute(select(workers))]

    async def keep(self, name: str, capacity: int, active: Callable[[], int | None]) -> None:
        """Until cancelled. Silent while `active()` answers None: the worker is not registered with LiveKit."""
        try:
            while True:
                count = active()
                with suppress(Temporary):  # the next beat comes soon; silence is what the monitor should see meanwhile
                    if count is not None:
                        await self.announce(name, capacity, count)
                await asyncio.sleep(_UNREGISTERED_LOOK if count is None else LEASE_RENEWAL)
        finally:
            await self.strike(name)
