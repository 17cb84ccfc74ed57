"""Threads: one Letta conversation and one episode count per continuity key."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import and_, case, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from voice_agent.contracts import MemoryScope, ReplyPath
from voice_agent.memory.homes import lives_in_the_assistant
from voice_agent.memory.model import Turn, TurnState
from voice_agent.memory.tables import threads, turns
from voice_agent.storage.database import Database, insert_if_absent

_GREETED_CHARS: Final = 1000
THREAD_CHARS: Final = 270


def conversation_key(thread: str, person_id: str) -> str:
    """Key of the row whose Letta conversation takes what this person says in a thread.

    A conversation belongs to one agent, so a thread has one per home: the thread's own row for the owner, another row
    for each other person, also when several people talk in one thread.
    """
    if lives_in_the_assistant(person_id):
        return thread
    digest = hashlib.sha256(f"{thread}\0{person_id}".encode()).hexdigest()[:24]
    return f"{thread[:THREAD_CHARS]}#{digest}"


@dataclass(frozen=True, slots=True)
class ThreadState:
    """Where the last job of a thread stopped."""

    episode: int
    greeted: frozenset[str]
    asked: Turn | None = None
    """The question that it left unanswered."""


@dataclass(frozen=True, slots=True)
class DueReflection:
    """Turns of a thread on which its agent has not reflected yet."""

    thread: str
    letta_agent_id: str
    after: int
    upto: int


class Rewrite(StrEnum):
    """What is left to do in Letta for a thread's row after something was forgotten (rewriting.py)."""

    NOTHING = ""
    PROMPT = "prompt"
    """The prompt of its conversation may hold a forgotten fact."""
    WHOLE = "whole"
    """Its conversation may hold a forgotten turn and has to be replaced by another one."""


@dataclass(frozen=True, slots=True)
class Rewriting:
    """A row whose conversation holds something forgotten."""

    key: str
    home: str
    rewrite: Rewrite
    old_conversation: str | None
    """To be deleted in Letta."""
    asked: int
    """Number of requests so far: one that arrives during the work is not done with it."""


async def request_rewriting(connection: AsyncConnection, keys: Collection[str], home: str | None) -> None:
    """Part of the transaction that forgets: conversations of `keys` are to be rewritten, all prompts of the home
    refreshed."""
    anew = threads.c.thread.in_(keys)
    concerned = anew if home is None else or_(anew, threads.c.letta_agent_id == home)
    what = case((or_(anew, threads.c.rewrite == Rewrite.WHOLE), Rewrite.WHOLE.value), else_=Rewrite.PROMPT.value)
    asked = threads.c.rewrite_asked + 1
    await connection.execute(update(threads).where(concerned).values(rewrite=what, rewrite_asked=asked))


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

    async def reach_episode(self, thread: str, episode: int) -> None:
        """Raises the count only: what was said before belongs to earlier episodes."""
        async with self._database.begin() as connection:
            behind = (threads.c.thread == thread) & (threads.c.episode < episode)
            await connection.execute(update(threads).where(behind).values(episode=episode))

    async def conversation(self, thread: str) -> tuple[str | None, str, str | None]:
        """Conversation id if one was opened, the Letta agent, and the last confirmed turn."""
        row = await self._row(thread)
        return row.conversation_id, row.letta_agent_id, row.confirmed_turn

    async def set_conversation(self, thread: str, conversation_id: str) -> str:
        """The first id is kept: a later caller gets the one that is there."""
        async with self._database.begin() as connection:
            await connection.execute(
                update(threads)
                .where(threads.c.thread == thread, threads.c.conversation_id.is_(None))
                .values(conversation_id=conversation_id)
            )
        return str((await self._row(thread)).conversation_id)

    async def forget_conversation(self, thread: str) -> None:
        """The conversation was deleted in Letta."""
        await self._set(thread, conversation_id=None, confirmed_turn=None)

    async def allow_reflection(self, thread: str) -> None:
        """Allow reflection on what was said so far. Repeated calls for the same turns are one request."""
        said = (
            select(func.coalesce(func.max(turns.c.seq), 0))
            .where(turns.c.thread == thread, turns.c.state != TurnState.OPEN, turns.c.scope == MemoryScope.PERSONAL)
            # An agent that answers itself (path `letta`) works on its memory while it answers.
            .where(turns.c.path == ReplyPath.HYBRID)
            .scalar_subquery()
        )
        await self._set(thread, settle_upto=said)

    async def due_reflections(self) -> list[DueReflection]:
        query = select(threads).where(threads.c.settle_upto > threads.c.settled_upto)
        async with self._database.read() as connection:
            return [
                DueReflection(row.thread, row.letta_agent_id, row.settled_upto, row.settle_upto)
                for row in await connection.execute(query)
            ]

    async def reflected(self, what: DueReflection) -> None:
        await self._set(what.thread, settled_upto=what.upto)

    # --- rewriting conversations that held something forgotten ---

    async def to_rewrite(self) -> list[Rewriting]:
        query = select(threads).where(or_(threads.c.rewrite != Rewrite.NOTHING, threads.c.old_conversation_id != ""))
        async with self._database.read() as connection:
            return [
                Rewriting(
                    row.thread, row.letta_agent_id, Rewrite(row.rewrite), row.old_conversation_id, row.rewrite_asked
                )
                for row in await connection.execute(query.order_by(threads.c.thread))
            ]

    async def begin_anew(self, key: str) -> bool:
        """Store the conversation as the old one and make its turns pending again, in order.

        Turns without a text stay out. False: Letta is answering in it just now; try again.
        """
        async with self._database.begin() as connection:
            spoken = await self._spoken_in(connection, key)
            held = or_(*(and_(turns.c.thread == thread, turns.c.person_id == person) for thread, person in spoken))
            answering = select(turns.c.seq).where(
                held, turns.c.state == TurnState.OPEN, turns.c.path == ReplyPath.LETTA
            )
            if spoken and (await connection.scalar(answering.limit(1))) is not None:
                return False
            begun = await connection.execute(
                update(threads)
                .where(threads.c.thread == key, threads.c.rewrite == Rewrite.WHOLE)
                .where(threads.c.old_conversation_id.is_(None))
                .values(
                    old_conversation_id=threads.c.conversation_id,
                    conversation_id=None,
                    confirmed_turn=None,
                    rewrite=Rewrite.PROMPT,
                )
            )
            if spoken and begun.rowcount == 1:
                await connection.execute(
                    update(turns)
                    .where(held, turns.c.state.in_((TurnState.DONE, TurnState.SENDING)))
                    .where(or_(turns.c.user_text != "", turns.c.assistant_text != ""))
                    .values(state=TurnState.PENDING, attempts=0)
                )
            return True

    async def _spoken_in(self, connection: AsyncConnection, key: str) -> list[tuple[str, str]]:
        """Threads and people whose turns are in the conversation of this row (see `conversation_key`)."""
        thread = key.rpartition("#")[0]
        # The key of a long thread holds only its beginning.
        of_home = (
            turns.c.thread.startswith(thread, autoescape=True)
            if len(thread) >= THREAD_CHARS
            else (turns.c.thread == thread)
        )
        query = select(turns.c.thread, turns.c.person_id).where(or_(turns.c.thread == key, of_home)).distinct()
        rows = (await connection.execute(query)).all()
        return [(row[0], row[1]) for row in rows if conversation_key(row[0], row[1]) == key]

    async def rewritten(self, what: Rewriting) -> None:
        """The old conversation is deleted in Letta and the prompts are refreshed."""
        async with self._database.begin() as connection:
            row = threads.c.thread == what.key
            await connection.execute(
                update(threads)
                .where(row, threads.c.rewrite == Rewrite.PROMPT, threads.c.rewrite_asked == what.asked)
                .values(rewrite=Rewrite.NOTHING)
            )
            if what.old_conversation is not None:
                gone = threads.c.old_conversation_id == what.old_conversation
                await connection.execute(update(threads).where(row, gone).values(old_conversation_id=None))

    async def _set(self, thread: str, **values: Any) -> None:
        async with self._database.begin() as connection:
            await connection.execute(update(threads).where(threads.c.thread == thread).values(**values))

    async def _row(self, thread: str) -> Any:
        async with self._database.read() as connection:
            return (await connection.execute(select(threads).where(threads.c.thread == thread))).one()
