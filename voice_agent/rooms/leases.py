"""Leases of rooms: one row per room. The job with the highest epoch holds it and alone may speak there.

No clock is compared between machines. The holder moves `beat`; an observer measures with its own monotonic clock how
long the beat has not moved. Every change is one UPDATE that names the epoch it was based on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, select, update

from voice_agent.errors import Permanent, VoiceAgentError
from voice_agent.registry.tables import sessions
from voice_agent.rooms.tables import leases, rooms
from voice_agent.storage.database import Database


@dataclass(frozen=True, slots=True)
class Lease:
    """Lease held by a job. The holder keeps it as the proof with which it renews."""

    room: str
    epoch: int
    job: str


@dataclass(frozen=True, slots=True)
class Health:
    """Health of the conversation loop, sent with each renewal: a living process alone is not enough."""

    failed: str = ""
    """Error code of a failure that makes this agent useless; empty: none."""
    silent_for: float = 0.0
    """Seconds since the oldest final transcript without an answer or a notice, or since the loop last showed life."""
    why: str = ""
    """The failure in words. It outlives the lease, to explain why a room has no agent."""
    lasting: bool = False
    """Another agent would fail in the same way."""


_WELL: Final = Health()


def health_of(error: VoiceAgentError) -> Health:
    """Health of an agent that cannot go on."""
    why = f"{error.message} {error.remedy}".strip()
    return Health(error.code, why=why, lasting=isinstance(error, Permanent))


@dataclass(frozen=True, slots=True)
class LeaseRow:
    room: str
    epoch: int
    job: str | None
    """None: free."""
    worker: str | None
    beat: int
    health: Health


def worker_name(host: str, pid: int) -> str:
    """A worker's name in its leases, by which its supervisor can report its exit."""
    return f"{host}:{pid}"


class Leases:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, room: str, job: str, worker: str, seen_epoch: int) -> Lease | None:
        """By the worker, before it accepts a job. None: another job holds it or the dispatch is out of date: refuse."""
        free = (leases.c.room == room) & (leases.c.epoch == seen_epoch) & leases.c.job.is_(None)
        values = {"epoch": seen_epoch + 1, "job": job, "worker": worker, "beat": 0, "health": {}}
        return Lease(room, seen_epoch + 1, job) if await self._change(free, values) else None

    async def renew(self, lease: Lease, health: Health) -> bool:
        """Every LEASE_RENEWAL seconds by the holder. False: fenced by a higher epoch; be silent and leave."""
        return await self._change(_held(lease), {"beat": leases.c.beat + 1, "health": asdict(health)})

    async def bridge(self, lease: Lease, beat: int) -> bool:
        """By the worker, for a holder that is still starting. False: it renews itself; its silence counts from then."""
        unmoved = _held(lease) & (leases.c.beat == beat)
        return await self._change(unmoved, {"beat": leases.c.beat + 1})

    async def release(self, lease: Lease, health: Health = _WELL) -> bool:
        """By a holder that leaves, voluntarily or because of the failure in `health`."""
        return await self._change(_held(lease), _free(health))

    async def job_died(self, job: str) -> bool:
        """The worker's exit report for one of its jobs: frees the lease without waiting for silence."""
        return await self._change(leases.c.job == job, _free())

    async def worker_died(self, worker: str) -> bool:
        """The supervisor's exit report of a worker process, for all its jobs."""
        return await self._change((leases.c.worker == worker) & leases.c.job.is_not(None), _free())

    async def fence(self, room: str, seen_epoch: int, why: str = "") -> bool:
        """By the monitor: takes the lease from a holder it found dead, whose next renewal fails."""
        seen = (leases.c.room == room) & (leases.c.epoch == seen_epoch)
        return await self._change(seen, _free(Health(why=why)))

    async def claim_failure(self, room: str, epoch: int, why: str = "") -> bool:
        """True for one observer, which counts the failure that the last holder reported when it left."""
        seen = (leases.c.room == room) & (leases.c.epoch == epoch) & leases.c.job.is_(None)
        return await self._change(seen, _free(Health(why=why)))

    async def of(self, rooms: Iterable[str]) -> dict[str, LeaseRow]:
        async with self._database.read() as connection:
            found = await connection.execute(select(leases).where(leases.c.room.in_(list(rooms))))
            return {row.room: _row(row) for row in found}

    async def free(self, rooms: Iterable[str]) -> set[str]:
        """The rooms among these whose lease is free."""
        async with self._database.read() as connection:
            query = select(leases.c.room).where(leases.c.room.in_(list(rooms)), leases.c.job.is_(None))
            return set(await connection.scalars(query))

    async def sessions_alive(self) -> frozenset[str]:
        """Sessions whose room a job holds, and the names of these rooms, for turns of people without a session."""
        held = select(leases.c.room).where(leases.c.job.is_not(None))
        of_jobs = select(rooms.c.name, rooms.c.job).where(rooms.c.name.in_(held))
        async with self._database.read() as connection:
            jobs = (await connection.execute(of_jobs)).all()
            others = await connection.scalars(select(sessions.c.id).where(sessions.c.room_name.in_(held)))
            return frozenset({*(name for name, _ in jobs), *(job["session_id"] for _, job in jobs), *others})

    async def _change(self, which: ColumnElement[bool], values: Mapping[str, Any]) -> bool:
        async with self._database.begin() as connection:
            return (await connection.execute(update(leases).where(which).values(values))).rowcount > 0


def _held(lease: Lease) -> ColumnElement[bool]:
    return (leases.c.room == lease.room) & (leases.c.epoch == lease.epoch) & (leases.c.job == lease.job)


def _free(health: Health = _WELL) -> dict[str, Any]:
    return {"epoch": leases.c.epoch + 1, "job": None, "worker": None, "health": asdict(health)}


def _row(row: Row[Any]) -> LeaseRow:
    return LeaseRow(row.room, row.epoch, row.job, row.worker, row.beat, Health(**row.health))
