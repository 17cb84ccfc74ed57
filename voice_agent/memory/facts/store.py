"""Store of facts in the database. A turn's facts are stored in the transaction that marks the turn as learned: exactly
once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import RowMapping, Select, and_, case, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from voice_agent.memory.facts.fact import ArchiveState, Fact, FactSource, FactState
from voice_agent.memory.facts.tables import facts, forgotten_texts, forgotten_turns, revisions
from voice_agent.memory.model import TurnState
from voice_agent.memory.outbox import DUE
from voice_agent.memory.tables import turns
from voice_agent.memory.threads import conversation_key, request_rewriting
from voice_agent.storage.database import Database, aware, insert_if_absent

LEARNED: Final = "learned"
PARKED: Final = "parked"


_UNLEARNED: Final = 100


@dataclass(frozen=True, slots=True)
class Owner:
    """Owner of facts: one person, in one assistant's memory."""

    letta_agent_id: str
    person_id: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Progress of learning: turns that wait for it, and turns that were parked."""

    pending: int
    parked: int


class FactStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    # --- reading ---

    async def known(self, owner: Owner) -> list[Fact]:
        """Oldest first."""
        query = select(facts).where(*_of(owner), facts.c.state == FactState.KNOWN)
        return await self._read(query.order_by(facts.c.said_at, facts.c.fact_id))

    async def of_person(self, letta_agent_id: str, person_id: str) -> list[Fact]:
        """In every state, oldest first."""
        query = select(facts).where(*_of(Owner(letta_agent_id, person_id)))
        return await self._read(query.order_by(facts.c.said_at, facts.c.fact_id))

    async def met(self, owner: Owner) -> None:
        """Keep facts about this person from now on; what Letta holds about them is read, too."""
        row: Mapping[str, Any] = {**asdict(owner), "revision": 0}
        async with self._database.begin() as connection:
            await connection.execute(insert_if_absent(self._database, revisions, row))

    async def people(self) -> list[tuple[str, str]]:
        """All pairs (assistant's Letta agent, person) for which facts are kept."""
        query = select(revisions.c.letta_agent_id, revisions.c.person_id)
        async with self._database.read() as connection:
            return [(row[0], row[1]) for row in await connection.execute(query)]

    async def get(self, fact_id: str) -> Fact | None:
        found = await self._read(select(facts).where(facts.c.fact_id == fact_id))
        return found[0] if found else None

    async def revision(self, owner: Owner) -> int:
        query = select(revisions.c.revision).where(
            revisions.c.letta_agent_id == owner.letta_agent_id, revisions.c.person_id == owner.person_id
        )
        async with self._database.read() as connection:
            return int(await connection.scalar(query) or 0)

    async def changed_since(self, owner: Owner, revision: int) -> list[Fact]:
        """In every state: a fact that is no longer known has changed, too."""
        return await self._read(select(facts).where(*_of(owner), facts.c.revision > revision))

    async def unlearned(self, owner: Owner, session_id: str) -> list[tuple[str, str, datetime]]:
        """Turns of the person that are still to be learned from, and those of the session that never will be."""
        of_person = and_(turns.c.letta_agent_id == owner.letta_agent_id, turns.c.learning.in_((DUE, PARKED)))
        of_session = and_(turns.c.session_id == session_id, turns.c.learning == "none")
        query = (
            select(turns.c.turn_id, turns.c.user_text, turns.c.created_at)
            .where(turns.c.person_id == owner.person_id, or_(of_person, of_session), turns.c.user_text != "")
            .order_by(turns.c.seq.desc())
            .limit(_UNLEARNED)
        )
        async with self._database.read() as connection:
            return [(row[0], row[1], aware(row[2])) for row in await connection.execute(query)]

    async def standing(self, owner: Owner) -> Standing:
        query = (
            select(turns.c.learning, func.count())
            .where(turns.c.person_id == owner.person_id, turns.c.letta_agent_id == owner.letta_agent_id)
            .where(turns.c.learning.in_((DUE, PARKED)))
            .group_by(turns.c.learning)
        )
        async with self._database.read() as connection:
            counts = {row[0]: row[1] for row in await connection.execute(query)}
        return Standing(counts.get(DUE, 0), counts.get(PARKED, 0))

    async def told_in(self, turn_ids: Collection[str]) -> int:
        """Number of facts extracted from these turns, without forgotten ones."""
        counts = 0
        async with self._database.read() as connection:
            for some in _few(turn_ids):
                query = select(func.count()).where(facts.c.turn_id.in_(some), facts.c.state != FactState.FORGOTTEN)
                counts += int(await connection.scalar(query) or 0)
        return counts

    async def everybodys_standing(self) -> Standing:
        query = select(turns.c.learning, func.count()).where(turns.c.learning.in_((DUE, PARKED)))
        async with self._database.read() as connection:
            counts = {row[0]: row[1] for row in await connection.execute(query.group_by(turns.c.learning))}
        return Standing(counts.get(DUE, 0), counts.get(PARKED, 0))

    # --- learning ---

    async def learned(self, turn_id: str, owner: Owner, new: Sequence[Fact], replaced: Collection[str]) -> bool:
        """False: the turn is not due (learned from already, or forgotten), and nothing was changed."""
        async with self._database.begin() as connection:
            marked = await connection.execute(
                update(turns)
                .where(turns.c.turn_id == turn_id, turns.c.learning == DUE)
                .where(turns.c.turn_id.not_in(select(forgotten_turns.c.turn_id)))
                .values(learning=LEARNED, learning_note="")
            )
            if marked.rowcount != 1:
                return False
            await self._store(connection, owner, new, replaced)
        return True

    async def add(self, fact: Fact) -> None:
        """Add a fact that does not come from a turn. Does nothing if a fact with this id exists, forgotten ones
        included."""
        async with self._database.begin() as connection:
            replaced = [fact.replaces] if fact.replaces else []
            await self._store(connection, Owner(fact.letta_agent_id, fact.person_id), [fact], replaced)

    async def _store(
        self, connection: AsyncConnection, owner: Owner, new: Sequence[Fact], replaced: Collection[str]
    ) -> None:
        if not new and not replaced:
            return
        revision = await self._next_revision(connection, owner)
        await self._no_longer_known(connection, replaced, FactState.REPLACED, revision)
        for fact in new:
            await connection.execute(insert_if_absent(self._database, facts, asdict(fact) | {"revision": revision}))

    async def set_state(self, fact_ids: Collection[str], state: FactState) -> None:
        """FORGOTTEN deletes the text."""
        query = select(facts.c.letta_agent_id, facts.c.person_id).where(facts.c.fact_id.in_(fact_ids)).distinct()
        async with self._database.begin() as connection:
            for row in (await connection.execute(query)).all():
                revision = await self._next_revision(connection, Owner(row[0], row[1]))
                await self._no_longer_known(connection, fact_ids, state, revision)

    async def _no_longer_known(
        self, connection: AsyncConnection, fact_ids: Collection[str], state: FactState, revision: int
    ) -> None:
        """Its passage is to be removed from Letta; where one is being sent, whether Letta holds it is to be found out
        first."""
        waiting = facts.c.archive_state.in_((ArchiveState.PENDING, ArchiveState.SENDING))
        values: dict[str, Any] = {
            "state": state,
            "revision": revision,
            "archive_state": case((waiting, facts.c.archive_state), else_=ArchiveState.PENDING.value),
        }
        if state is FactState.FORGOTTEN:
            values |= {"text": "", "note": "", "said": ""}
            # Other facts from the same statement keep their text, but not the statement.
            same_words = select(facts.c.turn_id).where(facts.c.fact_id.in_(fact_ids), facts.c.turn_id != "")
            await connection.execute(update(facts).where(facts.c.turn_id.in_(same_words)).values(said=""))
        await connection.execute(
            update(facts).where(facts.c.fact_id.in_(fact_ids), facts.c.state != FactState.FORGOTTEN).values(values)
        )

    async def not_learned(self, turn_id: str, note: str, *, park: bool) -> None:
        async with self._database.begin() as connection:
            await connection.execute(
                update(turns)
                .where(turns.c.turn_id == turn_id, turns.c.learning == DUE)
                .values(
                    learning_attempts=turns.c.learning_attempts + 1,
                    learning_note=note[:1000],
                    learning=PARKED if park else DUE,
                )
            )

    async def learn_again(self, owner: Owner, *, everything: bool = False) -> int:
        """Parked turns are due again; with `everything`, also those already learned from. Turns with a tombstone never
        are."""
        states = (PARKED, LEARNED) if everything else (PARKED,)
        async with self._database.begin() as connection:
            result = await connection.execute(
                update(turns)
                .where(turns.c.person_id == owner.person_id, turns.c.letta_agent_id == owner.letta_agent_id)
                .where(turns.c.learning.in_(states), turns.c.turn_id.not_in(select(forgotten_turns.c.turn_id)))
                .values(learning=DUE, learning_attempts=0, learning_note="")
            )
            return result.rowcount

    # --- forgetting ---

    async def forget(
        self,
        owner: Owner,
        fact_ids: Collection[str],
        turn_ids: Collection[str],
        *,
        digests: Collection[str] = (),
        home: str | None = None,
    ) -> None:
        """Delete the text of the facts and of all turns that told them; each keeps a tombstone.

        What holds them in Letta, in the `home` and in conversations, is to be rewritten (memory/rewriting.py).
        """
        async with self._database.begin() as connection:
            revision = await self._next_revision(connection, owner)
            for some in _few(fact_ids):
                await self._no_longer_known(connection, some, FactState.FORGOTTEN, revision)
            await self._keep_digests(connection, owner, digests)
            keys: set[str] = set()
            for some in _few(turn_ids):
                keys |= await self._redact(connection, some)
            await request_rewriting(connection, keys, home)

    async def forget_texts(self, owner: Owner, digests: Collection[str]) -> None:
        """Texts that others wrote into Letta: they do not come back either."""
        async with self._database.begin() as connection:
            await self._keep_digests(connection, owner, digests)

    async def _keep_digests(self, connection: AsyncConnection, owner: Owner, digests: Collection[str]) -> None:
        for digest in digests:
            row = {**asdict(owner), "digest": digest}
            await connection.execute(insert_if_absent(self._database, forgotten_texts, row))

    async def _redact(self, connection: AsyncConnection, turn_ids: Collection[str]) -> set[str]:
        """Returns the keys of the conversations that held these turns. Turns that do not exist get a tombstone, too."""
        for turn_id in turn_ids:
            await connection.execute(insert_if_absent(self._database, forgotten_turns, {"turn_id": turn_id}))
        await connection.execute(update(facts).where(facts.c.turn_id.in_(turn_ids)).values(said=""))
        these = turns.c.turn_id.in_(turn_ids)
        query = select(turns.c.thread, turns.c.person_id).where(these, turns.c.state != TurnState.KEPT).distinct()
        keys = {conversation_key(row[0], row[1]) for row in (await connection.execute(query)).all()}
        # A turn that is still spoken stays open for its job; it never reaches Letta either (outbox.py).
        state = case((turns.c.state == TurnState.OPEN, TurnState.OPEN.value), else_=TurnState.KEPT.value)
        nothing = {"user_text": "", "assistant_text": "", "note": "", "learning_note": ""}
        await connection.execute(update(turns).where(these).values(learning=LEARNED, state=state, **nothing))
        return keys

    async def forgotten_digests(self, letta_agent_id: str, person_id: str) -> frozenset[str]:
        """Digests of what this person has forgotten (see retelling.py)."""
        of_person = forgotten_texts.c.letta_agent_id == letta_agent_id, forgotten_texts.c.person_id == person_id
        async with self._database.read() as connection:
            return frozenset((await connection.scalars(select(forgotten_texts.c.digest).where(*of_person))).all())

    async def forgotten_among(self, turn_ids: Collection[str]) -> frozenset[str]:
        """Those of the turns that have a tombstone."""
        query = select(forgotten_turns.c.turn_id).where(forgotten_turns.c.turn_id.in_(turn_ids))
        async with self._database.read() as connection:
            return frozenset((await connection.scalars(query)).all())

    async def is_forgotten(self, turn_id: str) -> bool:
        async with self._database.read() as connection:
            query = select(forgotten_turns.c.turn_id).where(forgotten_turns.c.turn_id == turn_id)
            return (await connection.scalar(query)) is not None

    # --- archive ---

    async def archivable(self, limit: int) -> list[Fact]:
        """Oldest first: facts on their way into Letta, and facts that Letta is still to lose."""
        on_its_way = facts.c.archive_state.in_((ArchiveState.PENDING, ArchiveState.SENDING))
        held = and_(facts.c.state != FactState.KNOWN, facts.c.passage_id != "")
        query = select(facts).where(or_(on_its_way, held))
        return await self._read(query.order_by(facts.c.said_at, facts.c.fact_id).limit(limit))

    async def mark_archive(
        self, fact_ids: Collection[str], state: ArchiveState, *, passage_id: str | None = None, note: str = ""
    ) -> None:
        values: dict[str, Any] = {"archive_state": state, "note": note}
        if passage_id is not None:
            values["passage_id"] = passage_id
        if state is ArchiveState.SENDING:
            values["archive_attempts"] = facts.c.archive_attempts + 1
        async with self._database.begin() as connection:
            await connection.execute(update(facts).where(facts.c.fact_id.in_(fact_ids)).values(values))

    async def _next_revision(self, connection: AsyncConnection, owner: Owner) -> int:
        """Locks the row until the end of the transaction, so that revisions are committed in order."""
        row: Mapping[str, Any] = {**asdict(owner), "revision": 0}
        await connection.execute(insert_if_absent(self._database, revisions, row))
        bumped = (
            update(revisions)
            .where(revisions.c.letta_agent_id == owner.letta_agent_id, revisions.c.person_id == owner.person_id)
            .values(revision=revisions.c.revision + 1)
        )
        return int((await connection.execute(bumped.returning(revisions.c.revision))).scalar_one())

    async def _read(self, query: Select[Any]) -> list[Fact]:
        async with self._database.read() as connection:
            return [_fact(row) for row in (await connection.execute(query)).mappings()]


def _few(ids: Collection[str]) -> Iterator[list[str]]:
    """SQLite takes at most some thousand values in one statement."""
    every = list(ids)
    return (every[start : start + 500] for start in range(0, len(every), 500))


def _of(owner: Owner) -> tuple[Any, Any]:
    return facts.c.letta_agent_id == owner.letta_agent_id, facts.c.person_id == owner.person_id


def _fact(row: RowMapping) -> Fact:
    return Fact(
        fact_id=row["fact_id"],
        letta_agent_id=row["letta_agent_id"],
        person_id=row["person_id"],
        text=row["text"],
        said_at=aware(row["said_at"]),
        source=FactSource(row["source"]),
        turn_id=row["turn_id"],
        session_id=row["session_id"],
        state=FactState(row["state"]),
        replaces=row["replaces"],
        archive_state=ArchiveState(row["archive_state"]),
        archive_attempts=row["archive_attempts"],
        passage_id=row["passage_id"],
        note=row["note"],
        said=row["said"],
    )
