"""Rows about one person, in all tables: counted, closed and deleted, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Select, and_, delete, or_, select, union, update
from sqlalchemy.ext.asyncio import AsyncConnection

from voice_agent.contracts import AgentBinding, JobMetadata, RoomPolicy
from voice_agent.memory.access import continuity_key
from voice_agent.memory.facts.forgetting import vector_hashes
from voice_agent.memory.facts.tables import facts, forgotten_texts, forgotten_turns, revisions, vectors
from voice_agent.memory.homes import lives_in_the_assistant
from voice_agent.memory.person_in_letta import Held
from voice_agent.memory.tables import homes, snapshots, threads, turns
from voice_agent.memory.threads import conversation_key
from voice_agent.registry.people import PersonKind
from voice_agent.registry.tables import people, profiles, sessions, sign_ins
from voice_agent.rooms.tables import rooms

_OWN: Final = (RoomPolicy.SESSION, RoomPolicy.RESIDENT)
"""Policies of rooms for one person. Others go on without them."""
_FEW: Final = 500
"""SQLite takes at most some thousand values in one statement."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A participant to remove from a room, and whether the room was the person's own."""

    room: str
    identity: str
    own_room: bool


class PersonRows:
    def __init__(self, person_id: str) -> None:
        self.person_id = person_id
        self.sessions = _sessions_of(person_id)
        of_sessions = select(sessions.c.id).where(self.sessions)
        # Turns of a version without people have no person; a session then had one person only.
        self.turns = or_(
            turns.c.person_id == person_id, and_(turns.c.person_id == "", turns.c.session_id.in_(of_sessions))
        )
        self.facts = facts.c.person_id == person_id

    async def is_there(self, connection: AsyncConnection) -> bool:
        queries: list[Select[Any]] = [
            select(turns.c.seq).where(self.turns),
            select(facts.c.fact_id).where(self.facts),
            select(sessions.c.id).where(self.sessions),
            select(homes.c.person_id).where(homes.c.person_id == self.person_id),
            *(select(table.c.person_id).where(table.c.person_id == self.person_id) for table in _BY_PERSON),
        ]
        for query in queries:
            if (await connection.execute(query.limit(1))).first() is not None:
                return True
        return False

    async def end_sessions(self, connection: AsyncConnection, now: float) -> list[Caller]:
        """The sessions are over, and nobody is let into the person's own rooms any more."""
        own = set(await self._own_rooms(connection))
        await self._close(connection, own, now)
        rows = (await connection.execute(select(sessions).where(self.sessions, sessions.c.ended_at.is_(None)))).all()
        await connection.execute(
            update(sessions).where(self.sessions, sessions.c.ended_at.is_(None)).values(ended_at=now)
        )
        return [Caller(row.room_name, row.identity, row.room_name in own) for row in rows]

    async def delete(
        self, connection: AsyncConnection, now: float, before: Held
    ) -> tuple[Held, frozenset[str], frozenset[str]]:
        """Returns what Letta may hold, the person's own rooms, and the threads in which they talked. `before`: what was
        found earlier."""
        jobs = await self._own_rooms(connection)
        spoken_in = await self._threads(connection, jobs)
        held = before.with_more(await self._held(connection))
        await self._delete_memory(connection, held)
        conversations = await self._delete_threads(connection, spoken_in, held.homes)
        await connection.execute(delete(homes).where(homes.c.person_id == self.person_id))
        await self._close(connection, jobs, now)
        await self._anonymise(connection, jobs)
        await connection.execute(delete(sessions).where(self.sessions))
        for table in _BY_PERSON:
            await connection.execute(delete(table).where(table.c.person_id == self.person_id))
        return held.with_more(Held(conversations=conversations)), frozenset(jobs), frozenset(spoken_in)

    # --- rooms ---

    async def _own_rooms(self, connection: AsyncConnection) -> dict[str, JobMetadata | None]:
        """Rooms that were opened for this person alone, with what their jobs were told."""
        names = set(await connection.scalars(select(sessions.c.room_name).where(self.sessions)))
        found: dict[str, JobMetadata | None] = {}
        for row in await connection.execute(select(rooms.c.name, rooms.c.policy, rooms.c.job)):
            if row.policy in _OWN and (row.name in names or row.job.get("person_id") == self.person_id):
                found[row.name] = _job(row.job)
        return found

    async def _close(self, connection: AsyncConnection, names: Collection[str], now: float) -> None:
        for some in _few(names):
            open_ones = update(rooms).where(rooms.c.name.in_(some), rooms.c.closed_at.is_(None))
            await connection.execute(open_ones.values(closed_at=now, key=None))

    async def _anonymise(self, connection: AsyncConnection, own: Collection[str]) -> None:
        """Rooms outlive their people: only what names the person goes."""
        for row in (await connection.execute(select(rooms.c.name, rooms.c.job))).all():
            if row.name in own or row.job.get("person_id") == self.person_id:
                nobody = {"person_id": "", "user_id": "", "user_name": ""}
                await connection.execute(update(rooms).where(rooms.c.name == row.name).values(job=row.job | nobody))

    # --- memory ---

    async def _held(self, connection: AsyncConnection) -> Held:
        assistants = await connection.scalars(
            union(
                select(turns.c.letta_agent_id).where(self.turns),
                select(facts.c.letta_agent_id).where(self.facts),
                select(sessions.c.letta_agent_id).where(self.sessions),
                *(
                    select(table.c.letta_agent_id).where(table.c.person_id == self.person_id)
                    for table in (revisions, homes)
                ),
            )
        )
        of_homes = select(homes.c.home_agent_id).where(homes.c.person_id == self.person_id)
        passages = select(facts.c.passage_id).where(self.facts, facts.c.passage_id != "")
        return Held(
            assistants=frozenset(assistants),
            homes=frozenset(filter(None, await connection.scalars(of_homes))),
            passages=frozenset(await connection.scalars(passages)),
        )

    async def _delete_memory(self, connection: AsyncConnection, held: Held) -> None:
        told = (await connection.execute(select(facts.c.text, facts.c.said).where(self.facts))).all()
        for some in _few(vector_hashes([(row.text, row.said) for row in told])):
            await connection.execute(delete(vectors).where(vectors.c.text_hash.in_(some)))
        marked = union(select(turns.c.turn_id).where(self.turns), select(facts.c.turn_id).where(self.facts))
        await connection.execute(delete(forgotten_turns).where(forgotten_turns.c.turn_id.in_(marked)))
        await connection.execute(delete(turns).where(self.turns))
        await connection.execute(delete(facts).where(self.facts))
        await connection.execute(delete(revisions).where(revisions.c.person_id == self.person_id))
        at_home = lives_in_the_assistant(self.person_id)
        if not at_home:  # the digests keep what the owner forgot from being read again from blocks that stay
            mine = forgotten_texts.c.person_id == self.person_id
            await connection.execute(delete(forgotten_texts).where(mine))
        for some in _few(held.assistants if at_home else held.homes):
            await connection.execute(delete(snapshots).where(snapshots.c.letta_agent_id.in_(some)))

    async def _threads(self, connection: AsyncConnection, jobs: dict[str, JobMetadata | None]) -> set[str]:
        found = set(await connection.scalars(select(turns.c.thread).where(self.turns).distinct()))
        found |= {continuity_key(job) for job in jobs.values() if job is not None}
        for row in await connection.execute(select(sessions).where(self.sessions)):
            agent = AgentBinding(agent_id=row.agent_id, letta_agent_id=row.letta_agent_id, name=row.agent_name)
            whose = {"business_id": row.business_id, "user_id": row.user_id}
            found.add(continuity_key(JobMetadata(room_name=row.room_name, session_id=row.id, agent=agent, **whose)))
        return found

    async def _delete_threads(
        self, connection: AsyncConnection, spoken_in: Collection[str], gone: Collection[str]
    ) -> frozenset[str]:
        """After the turns were deleted. Returns the conversations that do not end with a home."""
        shared: set[str] = set()
        for some in _few(spoken_in):
            shared |= set(await connection.scalars(select(turns.c.thread).where(turns.c.thread.in_(some)).distinct()))
        keys = {*spoken_in, *(conversation_key(thread, self.person_id) for thread in spoken_in)} - shared
        conversations: set[str | None] = set()
        for which in (
            *(threads.c.thread.in_(some) for some in _few(keys)),
            *(threads.c.letta_agent_id.in_(some) for some in _few(gone)),
        ):
            for row in await connection.execute(select(threads).where(which)):
                if row.letta_agent_id not in gone:
                    conversations |= {row.conversation_id, row.old_conversation_id}
            await connection.execute(delete(threads).where(which))
        return frozenset(filter(None, conversations))


_BY_PERSON: Final = (people, profiles, sign_ins, revisions)


def _sessions_of(person_id: str) -> ColumnElement[bool]:
    kind, _, session_id = person_id.partition(":")
    mine = sessions.c.person_id == person_id
    if kind != PersonKind.SESSION:
        return mine
    return or_(mine, and_(sessions.c.id == session_id, sessions.c.person_id == ""))


def _job(document: Any) -> JobMetadata | None:
    try:
        return JobMetadata.model_validate(document)
    except ValidationError:  # of another version: our jobs refuse it
        return None


def _few(values: Collection[str]) -> Iterator[list[str]]:
    every = sorted(values)
    return (every[start : start + _FEW] for start in range(0, len(every), _FEW))
