"""Deletion of a person: everything that this installation keeps of them, here and in Letta.

The request is a row. Rows of the person are deleted at once, in one transaction, which writes down what is left to do
outside of the database. The rest is done by the memory worker, which repeats it until nothing is left: it waits until
no job holds a room of the person any more, deletes them from Letta, and deletes what was written meanwhile. The request
is the last row to go; until then the person is refused (registry/people.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from voice_agent.contracts import LogEvent
from voice_agent.errors import Code, Temporary, VoiceAgentError
from voice_agent.memory.drainer import AgentLocks
from voice_agent.memory.model import LettaPort
from voice_agent.memory.person_in_letta import NOTHING_HELD, Held, PersonInLetta
from voice_agent.observe.log import ReconnectLog
from voice_agent.registry.tables import deletions
from voice_agent.rooms.person_rows import Caller, PersonRows
from voice_agent.rooms.tables import leases
from voice_agent.storage.database import Database, insert_if_absent

_TRY_AGAIN: Final = 5.0
_FEW: Final = 500


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left to do once the rows are deleted."""

    held: Held = NOTHING_HELD
    rooms: frozenset[str] = frozenset()
    """Rooms of the person, whose jobs may still write."""
    threads: frozenset[str] = frozenset()

    def document(self) -> dict[str, object]:
        return {"held": self.held.document(), "rooms": sorted(self.rooms), "threads": sorted(self.threads)}


@dataclass(frozen=True, slots=True)
class Pending:
    person_id: str
    note: str
    """Why it is not finished; empty: it was not tried yet."""


async def end_sessions(database: Database, person_id: str, now: float) -> list[Caller]:
    """Returns who is to be removed from rooms."""
    async with database.begin() as connection:
        return await PersonRows(person_id).end_sessions(connection, now)


class PersonDeletions:
    """Requests of deletion, and the part of the work that needs the database only."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def request(self, person_id: str) -> list[Caller]:
        """From now on it is going to happen, whatever dies. Returns who is to be removed from rooms."""
        row = {"person_id": person_id, "asked_at": self._clock(), "remaining": Remaining().document(), "note": ""}
        async with self._database.begin() as connection:
            await connection.execute(insert_if_absent(self._database, deletions, row))
            return await PersonRows(person_id).end_sessions(connection, self._clock())

    async def delete_rows(self, person_id: str) -> Remaining:
        """Deletes all rows, and adds what was found to what is left to do."""
        async with self._database.begin() as connection:
            return await self._delete_rows(connection, person_id)

    async def pending(self) -> list[Pending]:
        async with self._database.read() as connection:
            rows = await connection.execute(select(deletions).order_by(deletions.c.asked_at))
            return [Pending(row.person_id, row.note) for row in rows]

    async def noted(self, person_id: str, note: str) -> bool:
        """Why it is not finished. False: this was known."""
        row = (deletions.c.person_id == person_id) & (deletions.c.note != note)
        async with self._database.begin() as connection:
            return (await connection.execute(update(deletions).where(row).values(note=note))).rowcount == 1

    async def finish(self, person_id: str) -> bool:
        """Removes the request. False: something was written meanwhile."""
        async with self._database.begin() as connection:
            if await PersonRows(person_id).is_there(connection):
                return False
            await connection.execute(delete(deletions).where(deletions.c.person_id == person_id))
        return True

    async def jobs_in(self, rooms: Collection[str]) -> bool:
        """Whether a job holds one of these rooms."""
        every = sorted(rooms)
        async with self._database.read() as connection:
            for start in range(0, len(every), _FEW):
                held = leases.c.room.in_(every[start : start + _FEW]) & leases.c.job.is_not(None)
                if await connection.scalar(select(leases.c.room).where(held).limit(1)) is not None:
                    return True
        return False

    async def _delete_rows(self, connection: AsyncConnection, person_id: str) -> Remaining:
        request = deletions.c.person_id == person_id
        query = select(deletions.c.remaining).where(request).with_for_update()
        before = (await connection.execute(query)).scalar_one_or_none() or {}
        known = Held.of(before.get("held", {}))
        held, rooms, threads = await PersonRows(person_id).delete(connection, self._clock(), known)
        remaining = Remaining(
            held, rooms | frozenset(before.get("rooms", ())), threads | frozenset(before.get("threads", ()))
        )
        await connection.execute(update(deletions).where(request).values(remaining=remaining.document()))
        return remaining


class DeletionWorker:
    """Finishes deletions; run by the memory worker, so by one process at a time."""

    def __init__(
        self, database: Database, letta: LettaPort, log: ReconnectLog, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._deletions = PersonDeletions(database)
        self._letta = letta
        self._log = log
        self._clock = clock
        self._not_before: dict[str, float] = {}

    async def run_due(self, locks: AgentLocks, at_work: Callable[[], Collection[str]]) -> bool:
        """`at_work`: threads whose turns are on their way into Letta. Returns whether deletions are left."""
        pending = await self._deletions.pending()
        self._not_before = {one.person_id: self._not_before.get(one.person_id, 0.0) for one in pending}
        done = 0
        for one in pending:
            if self._clock() < self._not_before[one.person_id]:
                continue
            try:
                await self._delete(one.person_id, locks, at_work)
                done += 1
            except VoiceAgentError as error:
                if error.code is Code.DATABASE_UNAVAILABLE:
                    raise
                if error.code is not Code.CONFLICT:  # a service that is away, not a call that is ending
                    self._not_before[one.person_id] = self._clock() + _TRY_AGAIN
                if await self._deletions.noted(one.person_id, error.message):
                    self._log.write(LogEvent.MEMORY_FAILED, what="deletion", **error.as_dict())
        return done < len(pending)

    async def _delete(self, person_id: str, locks: AgentLocks, at_work: Callable[[], Collection[str]]) -> None:
        remaining = await self._deletions.delete_rows(person_id)
        if await self._deletions.jobs_in(remaining.rooms):
            raise Temporary(Code.CONFLICT, "A call of this person is still ending.")
        # What the job wrote before it left.
        remaining = await self._deletions.delete_rows(person_id)
        if remaining.threads & frozenset(at_work()):
            raise Temporary(Code.CONFLICT, "Something that was said is still on its way into Letta.")
        await PersonInLetta(self._letta, locks).delete(person_id, remaining.held)
        await self._database.scrub()
        if not await self._deletions.finish(person_id):
            raise Temporary(Code.CONFLICT, "Something was written meanwhile.")
        self._log.write(LogEvent.PERSON_DELETED)
