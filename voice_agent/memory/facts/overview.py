"""Overview of what is remembered of a person: the facts, and how much is still to be learned or archived."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select, union

from voice_agent.memory.facts.fact import ArchiveState, Fact, FactState
from voice_agent.memory.facts.store import PARKED, FactStore, Owner, Standing
from voice_agent.memory.facts.tables import facts, revisions
from voice_agent.memory.outbox import DUE
from voice_agent.memory.tables import turns
from voice_agent.storage.database import Database, aware


@dataclass(frozen=True, slots=True)
class Overview:
    facts: tuple[Fact, ...]
    """Known facts, newest first."""
    standing: Standing
    """Of learning: turns that wait for it, and turns that were parked."""
    archive_pending: int
    """Known facts on their way into Letta."""


@dataclass(frozen=True, slots=True)
class Unlearned:
    """A turn from which no facts were extracted yet."""

    turn_id: str
    parked: bool
    said: str
    note: str
    """Why it failed; empty while it was not tried."""
    said_at: datetime


class MemoryOverview:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._store = FactStore(database)

    async def owners(self, person_id: str) -> list[Owner]:
        """One for each assistant with facts or turns of this person."""
        of_facts = select(revisions.c.letta_agent_id).where(revisions.c.person_id == person_id)
        of_turns = select(turns.c.letta_agent_id).where(turns.c.person_id == person_id)
        async with self._database.read() as connection:
            found = (await connection.scalars(union(of_facts, of_turns))).all()
        return [Owner(letta_agent_id, person_id) for letta_agent_id in sorted(found)]

    async def of(self, person_id: str, letta_agent_id: str = "") -> Overview:
        """Without an assistant: for all of them."""
        owners = [Owner(letta_agent_id, person_id)] if letta_agent_id else await self.owners(person_id)
        known = [fact for owner in owners for fact in await self._store.known(owner)]
        standings = [await self._store.standing(owner) for owner in owners]
        return Overview(
            facts=tuple(sorted(known, key=lambda fact: (fact.said_at, fact.fact_id), reverse=True)),
            standing=Standing(sum(one.pending for one in standings), sum(one.parked for one in standings)),
            archive_pending=sum(fact.archive_state in (ArchiveState.PENDING, ArchiveState.SENDING) for fact in known),
        )

    async def counts(self, person_id: str) -> dict[str, int]:
        """Letta agent of an assistant → number of facts that it knows about this person."""
        mine = facts.c.person_id == person_id, facts.c.state == FactState.KNOWN
        query = select(facts.c.letta_agent_id, func.count()).where(*mine).group_by(facts.c.letta_agent_id)
        async with self._database.read() as connection:
            return {row[0]: row[1] for row in await connection.execute(query)}

    async def unlearned(self, owner: Owner) -> list[Unlearned]:
        """Oldest first."""
        return await self._unlearned(
            and_(
                turns.c.person_id == owner.person_id,
                turns.c.letta_agent_id == owner.letta_agent_id,
                turns.c.learning.in_((DUE, PARKED)),
            )
        )

    async def overdue(self, before: datetime) -> list[Unlearned]:
        """Turns of all people that were parked by learning, or are due and older than this; oldest first."""
        late = and_(turns.c.learning == DUE, turns.c.created_at < before)
        return await self._unlearned(or_(turns.c.learning == PARKED, late))

    async def total(self) -> int:
        """Number of known facts of all people."""
        query = select(func.count()).where(facts.c.state == FactState.KNOWN)
        async with self._database.read() as connection:
            return int(await connection.scalar(query) or 0)

    async def _unlearned(self, which: ColumnElement[bool]) -> list[Unlearned]:
        async with self._database.read() as connection:
            rows = (await connection.execute(select(turns).where(which).order_by(turns.c.seq))).all()
        return [
            Unlearned(row.turn_id, row.learning == PARKED, row.user_text, row.learning_note, aware(row.created_at))
            for row in rows
        ]
