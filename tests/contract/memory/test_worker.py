"""Memory worker on each database: one process at a time does the work, and the next takes over."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.facts_world import ScriptedProposer
from tests.support.fake_letta import FakeLetta
from voice_agent.contracts import LogEvent
from voice_agent.memory.model import Block, Turn, TurnState
from voice_agent.memory.outbox import Outbox
from voice_agent.memory.single_instance import single_instance
from voice_agent.memory.threads import Threads
from voice_agent.memory.worker import MemoryWorker
from voice_agent.observe.log import ReconnectLog
from voice_agent.rooms.retention import Retention
from voice_agent.settings import Settings
from voice_agent.storage import Database

URL = "http://letta.example"


async def test_the_second_waits_until_the_first_has_ended(database: Database, tmp_path: Path) -> None:
    lock = tmp_path / "drainer.lock"
    taken, let_go = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with single_instance(database, lock, URL) as still_mine:
            await still_mine()
            taken.set()
            await let_go.wait()

    async def second() -> None:
        async with single_instance(Database(database.url.render_as_string(hide_password=False)), lock, URL):
            assert let_go.is_set()

    async with asyncio.TaskGroup() as group:
        group.create_task(first())
        await taken.wait()
        waiting = group.create_task(second())
        done, _ = await asyncio.wait([waiting], timeout=1.5)
        assert not done
        let_go.set()


class World:
    def __init__(self, database: Database, home: Path) -> None:
        self.letta = FakeLetta()
        self.alive: set[str] = set()
        self.outbox, self.threads = Outbox(database), Threads(database)
        self.log = ReconnectLog(home / "log.jsonl", "test")
        settings = Settings(home=home, outbox_limit=10)
        retention = Retention(settings, database)
        self.memory_worker = MemoryWorker(
            *(settings, database, self.letta, self.log, self._alive, ScriptedProposer({}), retention.run_due),
            letta_tools=True,
        )

    async def _alive(self) -> Collection[str]:
        return self.alive

    async def speak(self, number: int, *, finish: bool = True, session: str = "session") -> None:
        turn = Turn(f"t{number}", "thread", session, self.agent, 1, f"question {number}")
        await self.outbox.open_turn(turn)
        if finish:
            await self.outbox.finish_turn(turn.turn_id, f"answer {number}", interrupted=False)

    agent: str


@asynccontextmanager
async def world_of(database: Database, home: Path) -> Any:
    world = World(database, home)
    world.agent = await world.letta.add_agent("Ada", [Block("persona", "I am Ada")])
    await world.threads.ensure("thread", world.agent)
    yield world


async def test_turns_are_carried_off_and_the_agent_tends_its_memory(database: Database, tmp_path: Path) -> None:
    async with world_of(database, tmp_path) as world:
        work = asyncio.create_task(world.memory_worker.run())
        await world.speak(0)
        await world.threads.allow_reflection("thread")
        async with asyncio.timeout(20):
            while not world.letta.reflections or await world.outbox.counts() != {TurnState.DONE: 1}:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        work.cancel()
        await asyncio.wait([work])


async def test_what_a_vanished_job_left_open_is_adopted_and_a_living_one_is_left_alone(
    database: Database, tmp_path: Path
) -> None:
    async with world_of(database, tmp_path) as world:
        await world.speak(0, finish=False, session="gone")
        await world.speak(1, finish=False, session="talking")
        world.alive = {"talking"}
        await world.memory_worker.adopt_orphans()
        assert [turn.state for turn in await world.outbox.of_session("gone")] == [TurnState.SENDING]
        assert [turn.state for turn in await world.outbox.of_session("talking")] == [TurnState.OPEN]


async def test_a_warning_comes_once_before_the_outbox_is_full(database: Database, tmp_path: Path) -> None:
    async with world_of(database, tmp_path) as world:
        for number in range(8):
            await world.speak(number)
        await world.memory_worker.tidy()
        await world.memory_worker.tidy()
        lines = world.log.path.read_text().splitlines()
        assert len([line for line in lines if LogEvent.NOTICE in line and "outbox_full" in line]) == 1
