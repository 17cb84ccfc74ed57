"""Memory worker at rest: between conversations it sends a few cheap queries a minute, and none to Letta."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import event

from tests.support.facts_world import ScriptedProposer
from tests.support.memory_world import MemoryWorld
from voice_agent.memory.model import TurnState
from voice_agent.memory.worker import MemoryWorker
from voice_agent.rooms.retention import Retention
from voice_agent.settings import Settings

LOOPS = 7
"""Of the memory worker. Time goes on when all of them sleep."""


class Time:
    """A clock that stands still while anybody works."""

    def __init__(self) -> None:
        self.now = 0.0
        self._asleep: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = itertools.count()
        self._one_more = asyncio.Event()

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._asleep, (self.now + seconds, next(self._number), woken))
        self._one_more.set()
        await woken

    async def pass_by(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            while len(self._asleep) < LOOPS:
                self._one_more.clear()
                await self._one_more.wait()
            if self._asleep[0][0] > end:
                self.now = end
                return
            self.now, _, woken = heapq.heappop(self._asleep)
            woken.set_result(None)


class Resting:
    def __init__(self, world: MemoryWorld, home: Path) -> None:
        self.world, self.time = world, Time()
        self.queries: list[str] = []
        event.listen(world.database.engine.sync_engine, "before_cursor_execute", self._asked)
        settings = Settings.model_validate({"VOICE_HOME": home})
        retention = Retention(settings, world.database, self.time.clock)
        self.memory_worker = MemoryWorker(
            *(settings, world.database, world.letta, world.log, self._nobody, ScriptedProposer({}), retention.run_due),
            letta_tools=True,
            clock=self.time.clock,
            sleep=self.time.sleep,
        )

    def _asked(self, _connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if not statement.startswith("BEGIN"):
            self.queries.append(statement)

    async def _nobody(self) -> Collection[str]:
        return ()

    async def minute(self) -> int:
        """How many queries it takes."""
        self.queries.clear()
        await self.time.pass_by(60.0)
        return len(self.queries)


@asynccontextmanager
async def resting(home: Path) -> AsyncIterator[Resting]:
    async with MemoryWorld.open(home) as world:
        made = Resting(world, home)
        work = asyncio.create_task(made.memory_worker.run())
        try:
            yield made
        finally:
            work.cancel()
            await asyncio.wait([work])


async def test_a_system_where_nobody_talks_asks_little(tmp_path: Path) -> None:
    async with resting(tmp_path) as at:
        await at.minute()
        assert 20 <= await at.minute() <= 80
        assert {query.split()[0] for query in at.queries} == {"SELECT"}


async def test_who_talks_is_seen_soon_and_then_looked_at_often(tmp_path: Path) -> None:
    async with resting(tmp_path) as at:
        await at.minute()
        await at.world.outbox.open_turn(at.world.turn(0))
        await at.time.pass_by(3.0)
        await at.world.outbox.finish_turn("t0", "answer", interrupted=False)
        await at.time.pass_by(0.5)
        async with asyncio.timeout(60):  # Letta takes it in a task of its own, which no clock waits for
            while await at.world.outbox.counts() != {TurnState.DONE: 1}:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert await at.minute() > 130
        await at.minute()
        assert await at.minute() <= 130
