"""Outbox of turns: a turn is stored here before it counts as finished, and leaves only when Letta is known to hold
it."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, RowMapping, Select, and_, case, func, insert, or_, select, update

from voice_agent import clock
from voice_agent.contracts import MemoryScope, ReplyPath
from voice_agent.errors import Code, Permanent
from voice_agent.memory.facts.tables import forgotten_turns
from voice_agent.memory.model import Turn, TurnState
from voice_agent.memory.tables import threads, turns
from voice_agent.storage.database import Database, aware

DEFAULT_LIMIT: Final = 50_000
DUE: Final = "due"
"""Facts are to be extracted from the turn (facts/learner.py)."""
_UNSENT: Final = (TurnState.PENDING, TurnState.SENDING)
_WAITING: Final = (TurnState.OPEN, *_UNSENT, TurnState.PARKED)
_FINISHED: Final = (TurnState.DONE, TurnState.KEPT)
_FORGOTTEN: Final = turns.c.turn_id.in_(select(forgotten_turns.c.turn_id))
"""Turns with a tombstone: they never get a text again and never reach Letta (facts/forgetting.py)."""
SAYS_SOMETHING: Final = or_(turns.c.user_text != "", turns.c.assistant_text != "")


@dataclass(frozen=True, slots=True)
class Standing:
    """What is going on in the outbox."""

    threads: list[str]
    """Threads with turns to write to Letta."""
    talking: bool
    """A turn is being spoken, so there is work soon."""


class Outbox:
    def __init__(self, database: Database, limit: int = DEFAULT_LIMIT) -> None:
        self._database = database
        self._limit = limit

    async def open_turn(self, turn: Turn) -> None:
        """Called before the assistant says a word about it, so that no crash loses what the user said."""
        learning = DUE if turn.scope is MemoryScope.PERSONAL and turn.person_id else "none"
        values = asdict(turn) | {"state": TurnState.OPEN, "learning": learning, "created_at": clock.now()}
        values.pop("seq")
        async with self._database.begin() as connection:
            bounded = select(turns.c.seq).where(turns.c.state.in_(_WAITING)).limit(self._limit).subquery()
            if (await connection.scalar(select(func.count()).select_from(bounded)) or 0) >= self._limit:
                raise Permanent(
                    Code.OUTBOX_FULL,
                    f"{self._limit} turns wait for Letta; no more can be kept.",
                    "Bring Letta back, or look at 'voice-agent memory pending'.",
                )
            marked = select(forgotten_turns.c.turn_id).where(forgotten_turns.c.turn_id == turn.turn_id)
            if (await connection.scalar(marked)) is not None:  # it is brought back, for example from a copy
                values |= {"user_text": "", "assistant_text": "", "learning": "none", "note": ""}
            await connection.execute(insert(turns).values(values))

    async def arrived(self, turn_id: str) -> None:
        """Letta has begun to answer this turn."""
        async with self._database.begin() as connection:
            await connection.execute(update(turns).where(turns.c.turn_id == turn_id).values(attempts=1))

    async def plan_answer(self, turn_id: str, text: str) -> None:
        """What is about to be said: the best that is known if the job dies now. Answers of path `letta` are Letta's to
        know."""
        about = (turns.c.turn_id == turn_id, turns.c.state == TurnState.OPEN, turns.c.path == ReplyPath.HYBRID)
        async with self._database.begin() as connection:
            await connection.execute(update(turns).where(*about, ~_FORGOTTEN).values(assistant_text=text))

    async def finish_turn(
        self, turn_id: str, assistant_text: str, *, interrupted: bool, tools: Sequence[str] = ()
    ) -> None:
        """Store what was really heard. A turn that Letta answered itself is read back before anything is sent."""
        async with self._database.begin() as connection:
            await connection.execute(
                update(turns)
                .where(turns.c.turn_id == turn_id, turns.c.state == TurnState.OPEN)
                .values(
                    assistant_text=case((_FORGOTTEN, ""), else_=assistant_text),
                    interrupted=interrupted,
                    tools=list(tools),
                    state=_unless_kept(
                        case((turns.c.path == ReplyPath.LETTA, TurnState.SENDING.value), else_=TurnState.PENDING.value)
                    ),
                )
            )

    async def adopt_abandoned(self, *session_ids: str, except_for: str = "") -> int:
        """Take over the turns that a dead job of these sessions left open."""
        return await self._adopt(and_(turns.c.session_id.in_(session_ids), turns.c.turn_id != except_for))

    async def left_open(
        self, session_ids: Collection[str], episode: int, within: float, thread: str = ""
    ) -> Turn | None:
        """The last turn of these sessions, if it was asked in this episode at most `within` seconds ago and has no
        answer.

        `thread`: count only turns of this one.
        """
        of_sessions = turns.c.session_id.in_(session_ids)
        wanted = and_(of_sessions, turns.c.thread == thread) if thread else of_sessions
        last = await self._read(select(turns).where(wanted).order_by(turns.c.seq.desc()).limit(1))
        if not last or last[0].episode != episode or last[0].assistant_text or not last[0].user_text:
            return None
        asked_at = last[0].created_at
        return last[0] if asked_at and (clock.now() - asked_at).total_seconds() < within else None

    async def reopen(self, turn_id: str, episode: int) -> bool:
        """Let another job answer the turn, in that job's episode. False: Letta may hold it as it is, or it was
        forgotten."""
        unsent = or_(
            turns.c.state.in_((TurnState.OPEN, TurnState.PENDING)),
            and_(turns.c.state == TurnState.KEPT, turns.c.scope == MemoryScope.READ_ONLY),
        )
        async with self._database.begin() as connection:
            reopened = await connection.execute(
                update(turns)
                .where(turns.c.turn_id == turn_id, unsent, ~_FORGOTTEN)
                .values(state=TurnState.OPEN, episode=episode, interrupted=False)
            )
            return reopened.rowcount > 0

    async def open_turns(self) -> dict[str, str]:
        """Turn → session, for all turns on which a job works, or worked when it died."""
        query = select(turns.c.turn_id, turns.c.session_id).where(turns.c.state == TurnState.OPEN)
        async with self._database.read() as connection:
            return {row.turn_id: row.session_id for row in await connection.execute(query)}

    async def adopt(self, turn_ids: Collection[str]) -> int:
        return await self._adopt(turns.c.turn_id.in_(turn_ids)) if turn_ids else 0

    async def _adopt(self, which: ColumnElement[bool]) -> int:
        """What the dead job had asked Letta for is unknown: as SENDING, Letta is asked before anything is sent."""
        async with self._database.begin() as connection:
            result = await connection.execute(
                update(turns)
                .where(which, turns.c.state == TurnState.OPEN)
                .values(interrupted=True, state=_unless_kept(TurnState.SENDING.value))
            )
            return result.rowcount

    async def threads_with_work(self) -> list[str]:
        return (await self.standing()).threads

    async def standing(self) -> Standing:
        """One cheap query, because it is polled."""
        query = select(turns.c.thread, turns.c.state).where(turns.c.state.in_((TurnState.OPEN, *_UNSENT))).distinct()
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        with_work = dict.fromkeys(thread for thread, state in rows if state != TurnState.OPEN)
        return Standing([*with_work], talking=any(state == TurnState.OPEN for _, state in rows))

    async def unsent(self, thread: str, limit: int) -> list[Turn]:
        """Oldest turns of a thread that Letta is not known to hold, in spoken order.

        A turn that is still spoken holds back the later ones.
        """
        found = await self._read(
            select(turns)
            .where(turns.c.thread == thread, turns.c.state.in_((TurnState.OPEN, *_UNSENT)))
            .order_by(turns.c.seq)
            .limit(limit)
        )
        return list(itertools.takewhile(lambda turn: turn.state is not TurnState.OPEN, found))

    async def is_next(self, thread: str, turn_id: str) -> bool:
        """Whether no earlier turn of the thread is open or waits for Letta."""
        number = select(turns.c.seq).where(turns.c.turn_id == turn_id).scalar_subquery()
        query = select(turns.c.seq).where(
            turns.c.thread == thread, turns.c.state.in_((TurnState.OPEN, *_UNSENT)), turns.c.seq < number
        )
        async with self._database.read() as connection:
            return (await connection.scalar(query.limit(1))) is None

    async def mark(
        self, batch: Sequence[Turn], state: TurnState, note: str = "", *, conversation_key: str = ""
    ) -> None:
        """`conversation_key`: row of the conversation that holds them (default: that of their thread)."""
        attempt = 1 if state is TurnState.SENDING else 0
        async with self._database.begin() as connection:
            await connection.execute(
                update(turns)
                # A turn that was forgotten on its way stays out.
                .where(turns.c.turn_id.in_([turn.turn_id for turn in batch]), ~_FORGOTTEN)
                .values(state=state, note=note, attempts=turns.c.attempts + attempt)
            )
            if state is TurnState.DONE:
                key = conversation_key or batch[-1].thread
                await connection.execute(
                    update(threads).where(threads.c.thread == key).values(confirmed_turn=batch[-1].turn_id)
                )

    async def unpark(self, letta_agent_id: str) -> int:
        """Retry parked turns. Letta is asked first, so none is stored twice."""
        async with self._database.begin() as connection:
            result = await connection.execute(
                update(turns)
                .where(turns.c.letta_agent_id == letta_agent_id, turns.c.state == TurnState.PARKED)
                .values(state=TurnState.SENDING, attempts=0, note="")
            )
            return result.rowcount

    async def of_session(self, session_id: str) -> list[Turn]:
        return await self._read(select(turns).where(turns.c.session_id == session_id).order_by(turns.c.seq))

    async def between(self, thread: str, after: int, upto: int) -> list[Turn]:
        """Finished turns of a thread by sequence number, oldest first."""
        return await self._read(
            select(turns)
            .where(turns.c.thread == thread, turns.c.seq > after, turns.c.seq <= upto, turns.c.state != TurnState.OPEN)
            .where(SAYS_SOMETHING)
            .order_by(turns.c.seq)
        )

    async def before_episode(self, thread: str, episode: int, limit: int, person_id: str) -> list[Turn]:
        """Newest turns of this person in earlier episodes, oldest first: what a returning user last heard."""
        newest = await self._read(
            select(turns)
            .where(turns.c.thread == thread, turns.c.episode < episode, turns.c.state != TurnState.OPEN)
            .where(turns.c.person_id == person_id)
            .where(SAYS_SOMETHING)
            .order_by(turns.c.seq.desc())
            .limit(limit)
        )
        return newest[::-1]

    async def last_of_session(self, session_id: str, letta_agent_id: str, person_id: str, limit: int) -> list[Turn]:
        """Newest turns of this person with this assistant in a session, oldest first."""
        newest = await self._read(
            select(turns)
            .where(turns.c.session_id == session_id, turns.c.letta_agent_id == letta_agent_id)
            .where(turns.c.person_id == person_id, turns.c.state != TurnState.OPEN, SAYS_SOMETHING)
            .order_by(turns.c.seq.desc())
            .limit(limit)
        )
        return newest[::-1]

    async def waiting(self, letta_agent_id: str) -> list[Turn]:
        """All turns of an agent that Letta is not known to hold, parked ones included."""
        return await self._read(
            select(turns)
            .where(turns.c.letta_agent_id == letta_agent_id, turns.c.state.in_(_WAITING))
            .order_by(turns.c.seq)
        )

    async def counts(self) -> dict[TurnState, int]:
        async with self._database.read() as connection:
            rows = await connection.execute(select(turns.c.state, func.count()).group_by(turns.c.state))
            return {TurnState(state): count for state, count in rows.all()}

    async def fill(self) -> float:
        """How full the outbox is; 1.0 is the limit."""
        counts = await self.counts()
        return sum(counts.get(state, 0) for state in _WAITING) / self._limit

    async def _read(self, query: Select[Any]) -> list[Turn]:
        async with self._database.read() as connection:
            return [turn_of(row) for row in (await connection.execute(query)).mappings()]


def finished_before(limit: datetime) -> ColumnElement[bool]:
    """Turns from before `limit` that Letta holds or never gets."""
    return and_(turns.c.state.in_(_FINISHED), turns.c.created_at < limit)


def _unless_kept(otherwise: Any) -> Any:
    return case((or_(turns.c.scope == MemoryScope.READ_ONLY, _FORGOTTEN), TurnState.KEPT.value), else_=otherwise)


def turn_of(row: RowMapping, attempts: int | None = None) -> Turn:
    """`attempts`: those of other work than writing it to Letta."""
    return Turn(
        turn_id=row["turn_id"],
        thread=row["thread"],
        session_id=row["session_id"],
        letta_agent_id=row["letta_agent_id"],
        episode=row["episode"],
        user_text=row["user_text"],
        assistant_text=row["assistant_text"],
        interrupted=row["interrupted"],
        tools=tuple(row["tools"]),
        speaker=row["speaker"],
        person_id=row["person_id"],
        scope=MemoryScope(row["scope"]),
        path=ReplyPath(row["path"]),
        seq=row["seq"],
        state=TurnState(row["state"]),
        attempts=row["attempts"] if attempts is None else attempts,
        note=row["note"],
        created_at=aware(row["created_at"]),
    )
