"""Threads: one Letta conversation, and one episode count, per continuity key."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import func, select, update

from voice_agent.contracts import MemoryScope, ReplyPath
from voice_agent.memory.homes import lives_in_the_assistant
from voice_agent.memory.model import TurnState
from voice_agent.memory.tables import threads, turns
from voice_agent.storage.database import Database, insert_if_absent

_GREETED_CHARS: Final = 1000
_THREAD_CHARS: Final = 270


def conversation_key(thread: str, person_id: str) -> str:
    """Row of the Letta conversation that takes what this person says in a thread.

    A conversation lives in one agent, so a thread has one for each home: its own row for the owner, another for
    everybody else, also when several people talk in one thread.
    """
    if lives_in_the_assistant(person_id):
        return thread
    digest = hashlib.sha256(f"{thread}\0{person_id}".encode()).hexdigest()[:24]
    return f"{thread[:_THREAD_CHARS]}#{digest}"


@dataclass(frozen=True, slots=True)
class ThreadState:
    """Where the last job of a thread stopped."""

    episode: int
    greeted: frozenset[str]


@dataclass(frozen=True, slots=True)
class Unsettled:
    """What was said in a thread that its agent has not worked into its memory yet."""

    thread: str
    letta_agent_id: str
    after: int
    upto: int


class Threads:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def ensure(self, thread: str, letta_agent_id: str) -> None:
        row = {"thread": thread, "letta_agent_id": letta_agent_id, "episode": 0}
        async with self._database.begin() as connection:
            await connection.execute(insert_if_absent(self._database, threads, row))

    async def state(self, thread: str) -> ThreadState:
        row = await self._row(thread)
        return ThreadState(row.episode, frozenset(row.greeted.split()))

    async def set_greeted(self, thread: str, sids: Sequence[str]) -> None:
        await self._set(thread, greeted=" ".join(sids)[:_GREETED_CHARS])

    async def set_episode(self, thread: str, episode: int) -> None:
        await self._set(thread, episode=episode)

    async def conversation(self, thread: str) -> tuple[str | None, str, str | None]:
        """Conversation id if one was opened, the Letta agent, and the last confirmed turn."""
        row = await self._row(thread)
        return row.conversation_id, row.letta_agent_id, row.confirmed_turn

    async def set_conversation(self, thread: str, conversation_id: str) -> str:
        """The first one stays: whoever comes second is given the one that is there."""
        async with self._database.begin() as connection:
            await connection.execute(
                update(threads)
                .where(threads.c.thread == thread, threads.c.conversation_id.is_(None))
                .values(conversation_id=conversation_id)
            )
        return str((await self._row(thread)).conversation_id)

    async def forget_conversation(self, thread: str) -> None:
        """Somebody removed it from Letta."""
        await self._set(thread, conversation_id=None, confirmed_turn=None)

    async def request_settling(self, thread: str) -> None:
        """What was said so far may be worked into memory. Asking twice for the same turns asks once."""
        said = (
            select(func.coalesce(func.max(turns.c.seq), 0))
            .where(turns.c.thread == thread, turns.c.state != TurnState.OPEN, turns.c.scope == MemoryScope.PERSONAL)
            # An agent that answers by itself tends its memory while it does.
            .where(turns.c.path == ReplyPath.HYBRID)
            .scalar_subquery()
        )
        await self._set(thread, settle_upto=said)

    async def unsettled(self) -> list[Unsettled]:
        query = select(threads).where(threads.c.settle_upto > threads.c.settled_upto)
        async with self._database.read() as connection:
            return [
                Unsettled(row.thread, row.letta_agent_id, row.settled_upto, row.settle_upto)
                for row in await connection.execute(query)
            ]

    async def settled(self, what: Unsettled) -> None:
        await self._set(what.thread, settled_upto=what.upto)

    async def _set(self, thread: str, **values: Any) -> None:
        async with self._database.begin() as connection:
            await connection.execute(update(threads).where(threads.c.thread == thread).values(**values))

    async def _row(self, thread: str) -> Any:
        async with self._database.read() as connection:
            return (await connection.execute(select(threads).where(threads.c.thread == thread))).one()
