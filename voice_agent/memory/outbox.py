"""A turn is here before it counts as finished, and leaves only when Letta is known to hold it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import RowMapping, Select, case, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from voice_agent.contracts import MemoryScope
from voice_agent.memory.model import Turn, TurnState
from voice_agent.memory.tables import threads, turns
from voice_agent.storage.database import Database

_GREETED_CHARS = 1000
_UNSENT = (TurnState.PENDING, TurnState.SENDING)


class Outbox:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def open_turn(self, turn: Turn) -> None:
        """Before the assistant says a word about it, so that no crash loses what the user said."""
        values = asdict(turn) | {"state": TurnState.OPEN}
        values.pop("seq")
        async with self._database.begin() as connection:
            await connection.execute(insert(turns).values(values))

    async def finish_turn(self, turn_id: str, assistant_text: str, *, interrupted: bool) -> None:
        async with self._database.begin() as connection:
            scope = await connection.scalar(select(turns.c.scope).where(turns.c.turn_id == turn_id))
            kept = scope == MemoryScope.READ_ONLY
            await connection.execute(
                update(turns)
                .where(turns.c.turn_id == turn_id, turns.c.state == TurnState.OPEN)
                .values(
                    assistant_text=assistant_text,
                    interrupted=interrupted,
                    state=TurnState.KEPT if kept else TurnState.PENDING,
                )
            )

    async def adopt_abandoned(self, session_id: str) -> int:
        """Turns that a dead job of this session left open: what it had planned to say is kept, marked interrupted."""
        async with self._database.begin() as connection:
            result = await connection.execute(
                update(turns)
                .where(turns.c.session_id == session_id, turns.c.state == TurnState.OPEN)
                .values(
                    interrupted=True,
                    state=case(
                        (turns.c.scope == MemoryScope.READ_ONLY, TurnState.KEPT.value), else_=TurnState.PENDING.value
                    ),
                )
            )
            return result.rowcount

    async def threads_with_work(self) -> list[str]:
        query = select(turns.c.thread).where(turns.c.state.in_(_UNSENT)).distinct()
        async with self._database.begin() as connection:
            return list((await connection.scalars(query)).all())

    async def unsent(self, thread: str, limit: int) -> list[Turn]:
        """The oldest turns of a thread that Letta is not known to hold, in the order they were spoken."""
        return await self._read(
            select(turns).where(turns.c.thread == thread, turns.c.state.in_(_UNSENT)).order_by(turns.c.seq).limit(limit)
        )

    async def mark(self, batch: Sequence[Turn], state: TurnState, note: str = "") -> None:
        attempt = 1 if state is TurnState.SENDING else 0
        async with self._database.begin() as connection:
            await connection.execute(
                update(turns)
                .where(turns.c.turn_id.in_([turn.turn_id for turn in batch]))
                .values(state=state, note=note, attempts=turns.c.attempts + attempt)
            )
            if state is TurnState.DONE:
                await connection.execute(
                    update(threads).where(threads.c.thread == batch[-1].thread).values(confirmed_turn=batch[-1].turn_id)
                )

    async def of_session(self, session_id: str) -> list[Turn]:
        return await self._read(select(turns).where(turns.c.session_id == session_id).order_by(turns.c.seq))

    async def before_episode(self, thread: str, episode: int, limit: int) -> list[Turn]:
        """The newest turns of earlier episodes, oldest first: what a returning user last heard."""
        newest = await self._read(
            select(turns)
            .where(turns.c.thread == thread, turns.c.episode < episode, turns.c.state != TurnState.OPEN)
            .order_by(turns.c.seq.desc())
            .limit(limit)
        )
        return newest[::-1]

    async def counts(self) -> dict[TurnState, int]:
        async with self._database.begin() as connection:
            rows = await connection.execute(select(turns.c.state, func.count()).group_by(turns.c.state))
            return {TurnState(state): count for state, count in rows.all()}

    async def _read(self, query: Select[Any]) -> list[Turn]:
        async with self._database.begin() as connection:
            return [_turn(row) for row in (await connection.execute(query)).mappings()]


@dataclass(frozen=True, slots=True)
class ThreadState:
    """Where the last job of a thread stopped."""

    episode: int
    greeted: frozenset[str]


class Threads:
    """One Letta conversation, and one episode count, per continuity key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ensure(self, thread: str, letta_agent_id: str) -> None:
        async with self._database.begin() as connection:
            if await connection.scalar(select(threads.c.thread).where(threads.c.thread == thread)):
                return
        try:
            async with self._database.begin() as connection:
                await connection.execute(
                    insert(threads).values(thread=thread, letta_agent_id=letta_agent_id, episode=0)
                )
        except IntegrityError:
            return  # another process was first with the same row

    async def state(self, thread: str) -> ThreadState:
        async with self._database.begin() as connection:
            row = (await connection.execute(select(threads).where(threads.c.thread == thread))).mappings().one()
        return ThreadState(row["episode"], frozenset(row["greeted"].split()))

    async def set_greeted(self, thread: str, sids: Sequence[str]) -> None:
        async with self._database.begin() as connection:
            await connection.execute(
                update(threads).where(threads.c.thread == thread).values(greeted=" ".join(sids)[:_GREETED_CHARS])
            )

    async def set_episode(self, thread: str, episode: int) -> None:
        async with self._database.begin() as connection:
            await connection.execute(update(threads).where(threads.c.thread == thread).values(episode=episode))

    async def conversation(self, thread: str) -> tuple[str | None, str, str | None]:
        """Conversation id if one was opened, the Letta agent, and the last confirmed turn."""
        async with self._database.begin() as connection:
            row = (await connection.execute(select(threads).where(threads.c.thread == thread))).mappings().one()
        return row["conversation_id"], row["letta_agent_id"], row["confirmed_turn"]

    async def set_conversation(self, thread: str, conversation_id: str) -> None:
        async with self._database.begin() as connection:
            await connection.execute(
                update(threads).where(threads.c.thread == thread).values(conversation_id=conversation_id)
            )


def _turn(row: RowMapping) -> Turn:
    return Turn(
        turn_id=row["turn_id"],
        thread=row["thread"],
        session_id=row["session_id"],
        letta_agent_id=row["letta_agent_id"],
        episode=row["episode"],
        user_text=row["user_text"],
        assistant_text=row["assistant_text"],
        interrupted=row["interrupted"],
        speaker=row["speaker"],
        scope=MemoryScope(row["scope"]),
        seq=row["seq"],
        state=TurnState(row["state"]),
        attempts=row["attempts"],
    )
