"""Room repository: rooms and the claims of acts on them. A claim is one atomic statement, so any number may compete."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Case, Row, case, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from voice_agent.contracts import RECYCLE_WINDOW, JobMetadata, Problem, RoomPolicy
from voice_agent.rooms.policy import POLICIES, RoomKeyParts
from voice_agent.rooms.tables import installation, leases, rooms
from voice_agent.storage.database import Database, insert_if_absent

EXPECTED_FOR: Final = 60.0
"""Seconds for which a caller is expected after a session was opened or resumed: an agent is dispatched meanwhile."""
_KEPT_FAILURES: Final = 16


@dataclass(frozen=True, slots=True)
class RoomRecord:
    name: str
    key: str
    """See rooms/policy.py; empty once closed."""
    policy: RoomPolicy
    job: JobMetadata
    created_at: float
    wanted_until: float
    last_human_at: float
    claims: int
    attempts: int
    """Dispatches since an agent was last ready."""
    claimed_at: float
    recycles: tuple[float, ...]
    problem: Problem | None


class RoomRepository:
    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._installation = ""

    async def installation(self) -> str:
        """The name given to this installation when it first ran."""
        if self._installation:
            return self._installation
        async with self._database.begin() as connection:
            row = {"id": 1, "name": secrets.token_hex(8), "pulse": 0}
            await connection.execute(insert_if_absent(self._database, installation, row))
            self._installation = str((await connection.execute(select(installation.c.name))).scalar_one())
        return self._installation

    async def pulse(self) -> None:
        """A write like any other: when it succeeds, lease holders can write, too."""
        async with self._database.begin() as connection:
            await connection.execute(update(installation).values(pulse=installation.c.pulse + 1))

    async def open(
        self, policy: RoomPolicy, parts: RoomKeyParts, job: JobMetadata, *, joins_now: bool = True
    ) -> RoomRecord:
        """The open room with this key, else a new one under the name that the job proposes. `joins_now`: a caller is
        about to join it."""
        now = self._clock()
        wanted_until = now + EXPECTED_FOR if joins_now else now
        key = POLICIES[policy].key(parts)
        row = {
            "name": job.room_name,
            "key": key,
            "policy": policy,
            "job": job.model_dump(mode="json"),
            "created_at": now,
            "wanted_until": wanted_until,
            "last_human_at": now,
            "claims": 0,
            "attempts": 0,
            "claimed_at": 0.0,
            "recycles": [],
        }
        async with self._database.begin() as connection:
            if policy is RoomPolicy.RESIDENT and parts.business_id:
                await _rekey(connection, key, parts)
            created = await connection.execute(insert_if_absent(self._database, rooms, row))
            if created.rowcount == 1:
                lease = {"room": job.room_name, "epoch": 0, "beat": 0, "health": {}}
                await connection.execute(insert(leases).values(lease))
            wanted = update(rooms).where(rooms.c.key == key).values(wanted_until=_later(wanted_until)).returning(rooms)
            return _record((await connection.execute(wanted)).one())

    async def adopt(self, job: JobMetadata, parts: RoomKeyParts, *, sent: bool) -> RoomRecord | None:
        """The record of a room that others made: a new one, unless it is adopted already. `sent`: LiveKit was asked for
        an agent, which counts as the first dispatch. None: a room of ours has this name."""
        now, key = self._clock(), POLICIES[RoomPolicy.ADOPTED].key(parts)
        anew = {
            "key": key,
            "job": job.model_dump(mode="json"),
            "created_at": now,
            "wanted_until": now + EXPECTED_FOR if sent else now,
            "last_human_at": now,
            "closed_at": None,
            "attempts": int(sent),
            "claimed_at": now if sent else 0.0,
            "recycles": [],
            "problem": None,
        }
        first = {"name": job.room_name, "policy": RoomPolicy.ADOPTED, "claims": int(sent)} | anew
        ours = (rooms.c.name == job.room_name) & (rooms.c.policy == RoomPolicy.ADOPTED)
        another = or_(rooms.c.key.is_(None), rooms.c.key != key)
        async with self._database.begin() as connection:
            await connection.execute(insert_if_absent(self._database, rooms, first))
            lease = {"room": job.room_name, "epoch": 0, "beat": 0, "health": {}}
            await connection.execute(insert_if_absent(self._database, leases, lease))
            again = update(rooms).where(ours, another).values(**anew, claims=rooms.c.claims + 1)
            await connection.execute(again)
            row = (await connection.execute(select(rooms).where(ours))).one_or_none()
        return None if row is None else _record(row)

    async def ended(self, names: Iterable[str]) -> set[str]:
        """The names of rooms of ours that are closed for good."""
        closed = rooms.c.name.in_(list(names)) & rooms.c.closed_at.is_not(None)
        query = select(rooms.c.name).where(closed, rooms.c.policy != RoomPolicy.ADOPTED)
        async with self._database.read() as connection:
            return set(await connection.scalars(query))

    async def expect(self, room: str, *, joins_now: bool = True) -> RoomRecord | None:
        """A caller returns, `joins_now`: at once. None: the room is closed for good."""
        now = self._clock()
        change = update(rooms).where(rooms.c.name == room, rooms.c.closed_at.is_(None))
        async with self._database.begin() as connection:
            change = change.values(wanted_until=_later(now + EXPECTED_FOR if joins_now else now))
            row = (await connection.execute(change.returning(rooms))).one_or_none()
        return None if row is None else _record(row)

    async def expect_nobody(self, room: str) -> None:
        """No caller is expected; one who comes all the same is served on arrival."""
        async with self._database.begin() as connection:
            await connection.execute(update(rooms).where(rooms.c.name == room).values(wanted_until=self._clock()))

    async def rebind(self, room: str, job: JobMetadata) -> None:
        """Replaces the metadata of future dispatches to this room."""
        async with self._database.begin() as connection:
            values = {"job": job.model_dump(mode="json")}
            await connection.execute(update(rooms).where(rooms.c.name == room).values(values))

    async def get(self, room: str) -> RoomRecord | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(rooms).where(rooms.c.name == room))).one_or_none()
        return None if row is None else _record(row)

    async def open_names(self) -> set[str]:
        async with self._database.read() as connection:
            found = await connection.execute(select(rooms.c.name).where(rooms.c.closed_at.is_(None)))
            return set(found.scalars())

    async def open_records(self, names: Iterable[str]) -> dict[str, RoomRecord]:
        query = select(rooms).where(rooms.c.name.in_(list(names)), rooms.c.closed_at.is_(None))
        async with self._database.read() as connection:
            return {row.name: _record(row) for row in await connection.execute(query)}

    async def claim_dispatch(self, room: RoomRecord) -> bool:
        """One winner among all observers of a room: for the others `claims` has moved and the cooldown has begun."""
        change = (
            update(rooms)
            .where(rooms.c.name == room.name, rooms.c.claims == room.claims, rooms.c.closed_at.is_(None))
            .values(claims=room.claims + 1, attempts=rooms.c.attempts + 1, claimed_at=self._clock())
        )
        async with self._database.begin() as connection:
            return (await connection.execute(change)).rowcount == 1

    async def agent_is_ready(self, room: str) -> None:
        async with self._database.begin() as connection:
            await connection.execute(update(rooms).where(rooms.c.name == room).values(attempts=0))

    async def agent_failed(self, room: str, times: int = 1) -> None:
        now = self._clock()
        async with self._database.begin() as connection:
            query = select(rooms.c.recycles).where(rooms.c.name == room).with_for_update()
            before = (await connection.execute(query)).scalar_one_or_none()
            recent = [at for at in before or () if now - at < RECYCLE_WINDOW][-_KEPT_FAILURES:]
            await connection.execute(
                update(rooms).where(rooms.c.name == room).values(recycles=[*recent, *[now] * times])
            )

    async def set_problem(self, room: str, problem: Problem | None) -> None:
        value = None if problem is None else problem.model_dump()
        async with self._database.begin() as connection:
            await connection.execute(update(rooms).where(rooms.c.name == room).values(problem=value))

    async def human_seen(self, room: str) -> None:
        async with self._database.begin() as connection:
            await connection.execute(update(rooms).where(rooms.c.name == room).values(last_human_at=self._clock()))

    async def close_if_unused(self, room: str, validity: float) -> bool:
        """False: a caller is expected or was here meanwhile."""
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


async def _rekey(connection: AsyncConnection, key: str, parts: RoomKeyParts) -> None:
    """Adds the business to the key of a room from a version whose keys lacked it: that of the stored job."""
    before = rooms.c.key == POLICIES[RoomPolicy.RESIDENT].key(replace(parts, business_id=""))
    job = (await connection.execute(select(rooms.c.job).where(before))).scalar_one_or_none()
    if job is not None and job.get("business_id") == parts.business_id:
        await connection.execute(update(rooms).where(before).values(key=key))


def _later(moment: float) -> Case[float]:
    """A caller who is expected already stays expected."""
    return case((rooms.c.wanted_until > moment, rooms.c.wanted_until), else_=moment)


def _record(row: Row[Any]) -> RoomRecord:
    return RoomRecord(
        name=row.name,
        key=row.key or "",
        policy=RoomPolicy(row.policy),
        job=JobMetadata.model_validate(row.job),
        created_at=row.created_at,
        wanted_until=row.wanted_until,
        last_human_at=row.last_human_at,
        claims=row.claims,
        attempts=row.attempts,
        claimed_at=row.claimed_at,
        recycles=tuple(row.recycles),
        problem=None if row.problem is None else Problem.model_validate(row.problem),
    )
