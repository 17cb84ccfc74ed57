"""The book of our rooms. Every act on a room is claimed here by one atomic statement, so any number may act."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, func, insert, select, update

from voice_agent.contracts import DISPATCH_COOLDOWN, DISPATCH_COOLDOWN_MAX, JobMetadata, Problem, RoomPolicy
from voice_agent.rooms.policy import POLICIES, RoomKeyParts
from voice_agent.rooms.tables import installation, leases, rooms
from voice_agent.storage.database import Database, insert_if_absent

EXPECTED_FOR: Final = 60.0
"""After a session was opened its visitor is expected for this long: the agent is asked for meanwhile."""


@dataclass(frozen=True, slots=True)
class RoomRecord:
    name: str
    policy: RoomPolicy
    job: JobMetadata
    created_at: float
    wanted_until: float
    last_human_at: float
    claims: int
    failures: int
    not_before: float
    recycles: tuple[float, ...]
    problem: Problem | None


class RoomBook:
    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._installation = ""

    async def installation(self) -> str:
        """The name this installation was given when it first ran."""
        if self._installation:
            return self._installation
        async with self._database.begin() as connection:
            row = {"id": 1, "name": secrets.token_hex(8), "pulse": 0}
            await connection.execute(insert_if_absent(self._database, installation, row))
            self._installation = str((await connection.execute(select(installation.c.name))).scalar_one())
        return self._installation

    async def pulse(self) -> None:
        """A write like every other: when it succeeds, the holders of leases can write too."""
        async with self._database.begin() as connection:
            await connection.execute(update(installation).values(pulse=installation.c.pulse + 1))

    async def open(self, policy: RoomPolicy, parts: RoomKeyParts, job: JobMetadata) -> RoomRecord:
        """The room for this purpose: the one there is, or a new one under the name the job proposes."""
        now = self._clock()
        key = POLICIES[policy].key(parts)
        row = {
            "name": job.room_name,
            "key": key,
            "policy": policy,
            "job": job.model_dump(mode="json"),
            "created_at": now,
            "wanted_until": now + EXPECTED_FOR,
            "last_human_at": now,
            "claims": 0,
            "failures": 0,
            "not_before": 0.0,
            "recycles": [],
        }
        async with self._database.begin() as connection:
            created = await connection.execute(insert_if_absent(self._database, rooms, row))
            if created.rowcount == 1:
                lease = {"room": job.room_name, "epoch": 0, "beat": 0, "health": {}}
                await connection.execute(insert(leases).values(lease))
            wanted = update(rooms).where(rooms.c.key == key).values(wanted_until=now + EXPECTED_FOR).returning(rooms)
            return _record((await connection.execute(wanted)).one())

    async def expect(self, room: str) -> RoomRecord | None:
        """Somebody is coming back. None: the room is closed for good."""
        now = self._clock()
        change = update(rooms).where(rooms.c.name == room, rooms.c.closed_at.is_(None))
        async with self._database.begin() as connection:
            change = change.values(wanted_until=now + EXPECTED_FOR)
            row = (await connection.execute(change.returning(rooms))).one_or_none()
        return None if row is None else _record(row)

    async def get(self, room: str) -> RoomRecord | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(rooms).where(rooms.c.name == room))).one_or_none()
        return None if row is None else _record(row)

    async def all_open(self) -> list[RoomRecord]:
        query = select(rooms).where(rooms.c.closed_at.is_(None)).order_by(rooms.c.created_at)
        async with self._database.read() as connection:
            return [_record(row) for row in await connection.execute(query)]

    async def claim_dispatch(self, room: RoomRecord) -> bool:
        """One winner per cooldown, however many ask. A claim far in the future is a clock that was set back."""
        now = self._clock()
        pause = min(DISPATCH_COOLDOWN * 2.0**room.failures, DISPATCH_COOLDOWN_MAX)
        change = (
            update(rooms)
            .where(rooms.c.name == room.name, rooms.c.claims == room.claims, rooms.c.closed_at.is_(None))
            .where((rooms.c.not_before <= now) | (rooms.c.not_before > now + DISPATCH_COOLDOWN_MAX))
            .values(claims=room.claims + 1, failures=rooms.c.failures + 1, not_before=now + pause)
        )
        async with self._database.begin() as connection:
            return (await connection.execute(change)).rowcount == 1

    async def agent_is_ready(self, room: str) -> None:
        change = update(rooms).where(rooms.c.name == room, rooms.c.failures > 0).values(failures=0, not_before=0.0)
        async with self._database.begin() as connection:
            await connection.execute(change)

    async def set_problem(self, room: str, problem: Problem | None) -> None:
        value = None if problem is None else problem.model_dump()
        async with self._database.begin() as connection:
            await connection.execute(update(rooms).where(rooms.c.name == room).values(problem=value))

    async def human_seen(self, room: str) -> None:
        async with self._database.begin() as connection:
            await connection.execute(update(rooms).where(rooms.c.name == room).values(last_human_at=self._clock()))

    async def close(self, room: str, validity: float) -> bool:
        """False: somebody is expected or was here meanwhile."""
        now = self._clock()
        change = (
            update(rooms)
            .where(rooms.c.name == room, rooms.c.closed_at.is_(None), rooms.c.wanted_until < now)
            .where(rooms.c.last_human_at + validity < now)
            .values(closed_at=now, key=None)
        )
        async with self._database.begin() as connection:
            return (await connection.execute(change)).rowcount == 1

    async def end(self, room: str) -> None:
        change = update(rooms).where(rooms.c.name == room, rooms.c.closed_at.is_(None))
        async with self._database.begin() as connection:
            await connection.execute(change.values(closed_at=self._clock(), key=None))

    async def count_open(self) -> int:
        query = select(func.count()).select_from(rooms).where(rooms.c.closed_at.is_(None))
        async with self._database.read() as connection:
            return int((await connection.execute(query)).scalar_one())


def _record(row: Row[Any]) -> RoomRecord:
    return RoomRecord(
        name=row.name,
        policy=RoomPolicy(row.policy),
        job=JobMetadata.model_validate(row.job),
        created_at=row.created_at,
        wanted_until=row.wanted_until,
        last_human_at=row.last_human_at,
        claims=row.claims,
        failures=row.failures,
        not_before=row.not_before,
        recycles=tuple(row.recycles),
        problem=None if row.problem is None else Problem.model_validate(row.problem),
    )
