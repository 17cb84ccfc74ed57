"""Worker registry: LiveKit does not tell which worker could take which job, so workers register their scope here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, delete, select, update

from voice_agent.contracts import LEASE_RENEWAL, JobMetadata
from voice_agent.errors import Temporary
from voice_agent.rooms.tables import workers
from voice_agent.settings import Settings
from voice_agent.storage.database import Database, insert_if_absent

_UNREGISTERED_LOOK: Final = 0.25


@dataclass(frozen=True, slots=True)
class WorkerScope:
    """Scope of a worker: the jobs it takes. Empty sets: all."""

    roles: frozenset[str] = frozenset()
    businesses: frozenset[str] = frozenset()
    agent_name: str = ""
    """LiveKit offers it jobs of this agent name only. Empty: unknown."""

    @classmethod
    def of(cls, settings: Settings) -> WorkerScope:
        return cls(_names(settings.worker_roles), _names(settings.worker_businesses), settings.livekit_agent_name)

    def serves(self, job: JobMetadata) -> bool:
        return (not self.roles or job.role in self.roles) and (
            not self.businesses or job.business_id in self.businesses
        )


EVERYBODY: Final = WorkerScope()


@dataclass(frozen=True, slots=True)
class WorkerRow:
    name: str
    capacity: int
    active: int
    beat: int
    worker_scope: WorkerScope = EVERYBODY

    def takes(self, job: JobMetadata, agent_name: str) -> bool:
        """Whether a job dispatched under this agent name reaches it and is not refused, free seats apart."""
        return self.worker_scope.agent_name in ("", agent_name) and self.worker_scope.serves(job)


class WorkerRegistry:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def announce(self, name: str, capacity: int, active: int, worker_scope: WorkerScope = EVERYBODY) -> None:
        """Every LEASE_RENEWAL seconds, and when its jobs change, by each worker that LiveKit has registered."""
        told = {
            "capacity": capacity,
            "active": active,
            "agent_name": worker_scope.agent_name,
            "roles": sorted(worker_scope.roles),
            "businesses": sorted(worker_scope.businesses),
        }
        async with self._database.begin() as connection:
            await connection.execute(insert_if_absent(self._database, workers, {"name": name, "beat": 0, **told}))
            change = update(workers).where(workers.c.name == name)
            await connection.execute(change.values(**told, beat=workers.c.beat + 1))

    async def deregister(self, name: str) -> None:
        """After the worker stopped or died."""
        async with self._database.begin() as connection:
            await connection.execute(delete(workers).where(workers.c.name == name))

    async def all(self) -> list[WorkerRow]:
        async with self._database.read() as connection:
            return [_row(row) for row in await connection.execute(select(workers))]

    async def keep(
        self, name: str, capacity: int, active: Callable[[], int | None], worker_scope: WorkerScope = EVERYBODY
    ) -> None:
        """Until cancelled. Silent while `active()` answers None: the worker is not registered with LiveKit."""
        try:
            while True:
                count = active()
                with suppress(Temporary):  # the next beat comes soon, and meanwhile the monitor should see silence
                    if count is not None:
                        await self.announce(name, capacity, count, worker_scope)
                await asyncio.sleep(_UNREGISTERED_LOOK if count is None else LEASE_RENEWAL)
        finally:
            await self.deregister(name)


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(",") if name.strip())


def _row(row: Row[Any]) -> WorkerRow:
    worker_scope = WorkerScope(frozenset(row.roles), frozenset(row.businesses), row.agent_name)
    return WorkerRow(row.name, row.capacity, row.active, row.beat, worker_scope)
