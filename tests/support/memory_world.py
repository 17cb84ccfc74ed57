"""Outbox with its drainer, and a Letta in memory that can be told to fail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from tests.support.fake_letta import FakeLetta
from voice_agent.contracts import MemoryScope, ReplyPath
from voice_agent.memory.access import Memory
from voice_agent.memory.drainer import AgentLocks, Drainer
from voice_agent.memory.facts.store import FactStore
from voice_agent.memory.homes import Homes
from voice_agent.memory.model import Block, Turn
from voice_agent.memory.outbox import Outbox
from voice_agent.memory.reflection import Reflection
from voice_agent.memory.rewriting import Rewriter
from voice_agent.memory.snapshots import Snapshots
from voice_agent.memory.threads import Threads
from voice_agent.observe.log import ReconnectLog
from voice_agent.storage.database import Database, metadata

THREAD = "thread"


class MemoryWorld:
    def __init__(
        self, directory: Path, *, grace: float = 0.0, limit: int = 1000, letta: FakeLetta | None = None
    ) -> None:
        self.now = 0.0
        self.database = Database(f"sqlite+aiosqlite:///{directory / 'voice.db'}")
        self.letta = letta or FakeLetta()
        self.outbox = Outbox(self.database, limit)
        self.threads = Threads(self.database)
        self.homes = Homes(self.database, self.letta)
        self.log = ReconnectLog(directory / "reconnect.jsonl", "test")
        self.memory = Memory(self.database, self.letta, outbox_limit=limit, order_patience=0.5)
        self.locks = locks = AgentLocks()
        self.drainer = Drainer(self.outbox, self.threads, self.homes, self.letta, self.log, locks, grace)
        self.reflection = Reflection(
            *(self.outbox, self.threads, self.homes, self.letta, self.log, locks, lambda: self.now),
            facts=FactStore(self.database),
            enabled=True,
        )
        self.rewriter = Rewriter(
            *(self.threads, FactStore(self.database), self.homes, Snapshots(self.database), self.letta, self.log),
            locks,
            lambda: self.now,
        )

    @classmethod
    @asynccontextmanager
    async def open(
        cls, directory: Path, *, grace: float = 0.0, limit: int = 1000, letta: FakeLetta | None = None
    ) -> AsyncIterator[Self]:
        world = cls(directory, grace=grace, limit=limit, letta=letta)
        async with world.database.begin() as connection:
            await connection.run_sync(metadata.create_all)
        world.agent = await world.letta.add_agent("Ada", [Block("persona", "I am Ada")])
        await world.threads.ensure(THREAD, world.agent)
        try:
            yield world
        finally:
            await world.database.close()

    agent: str

    def turn(
        self,
        number: int,
        *,
        thread: str = THREAD,
        scope: MemoryScope = MemoryScope.PERSONAL,
        path: ReplyPath = ReplyPath.HYBRID,
        person: str = "",
    ) -> Turn:
        said = f"question {number}"
        return Turn(f"t{number}", thread, "session", self.agent, 1, said, scope=scope, path=path, person_id=person)

    async def speak(
        self,
        number: int,
        *,
        thread: str = THREAD,
        scope: MemoryScope = MemoryScope.PERSONAL,
        person: str = "",
    ) -> str:
        turn = self.turn(number, thread=thread, scope=scope, person=person)
        await self.outbox.open_turn(turn)
        await self.outbox.finish_turn(turn.turn_id, f"answer {number}", interrupted=False)
        return turn.turn_id

    async def drain_until_quiet(self, most: int = 40) -> None:
        for _ in range(most):
            if await self.drainer.drain_once() is None and not await self.outbox.threads_with_work():
                return
        raise AssertionError("the outbox never became empty")

    def said(self) -> list[tuple[str, str, str]]:
        """Mark, role and text of every message in Letta."""
        return [(m.mark, m.role, m.text) for messages in self.letta.conversations.values() for m in messages]

    def marks(self) -> list[tuple[str, str]]:
        return [(mark, role) for mark, role, _ in self.said()]
