"""Exactly once and in order, whatever happens to the posts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.fake_letta import FakeLetta, Mishap
from voice_agent.contracts import MemoryScope
from voice_agent.memory.drainer import Drainer
from voice_agent.memory.model import Block, Turn, TurnState, turn_mark
from voice_agent.memory.outbox import Outbox
from voice_agent.memory.threads import Threads
from voice_agent.observe.log import ReconnectLog
from voice_agent.storage.database import Database, metadata


class World:
    """An outbox, a drainer and a Letta that can be told to fail."""

    def __init__(self, directory: Path) -> None:
        self.database = Database(f"sqlite+aiosqlite:///{directory / 'voice.db'}")
        self.letta = FakeLetta()
        self.outbox = Outbox(self.database)
        self.threads = Threads(self.database)
        self.log = ReconnectLog(directory / "reconnect.jsonl", "test")
        self.drainer = Drainer(self.outbox, self.threads, self.letta, self.log, grace=0.0)

    async def open(self) -> None:
        async with self.database.begin() as connection:
            await connection.run_sync(metadata.create_all)
        self.agent = await self.letta.add_agent("Ada", [Block("persona", "I am Ada")])
        await self.threads.ensure("thread", self.agent)

    async def speak(self, number: int) -> str:
        turn_id = f"t{number}"
        turn = Turn(turn_id, "thread", "session", self.agent, 1, f"question {number}")
        await self.outbox.open_turn(turn)
        await self.outbox.finish_turn(turn_id, f"answer {number}", interrupted=False)
        return turn_id

    async def drain_until_quiet(self, most: int = 30) -> None:
        for _ in range(most):
            if await self.drainer.drain_once() is None and not await self.outbox.threads_with_work():
                return
        raise AssertionError("the outbox never became empty")

    def marks(self) -> list[tuple[str, str]]:
        return [(m.mark, m.role) for messages in self.letta.conversations.values() for m in messages]


async def _play(directory: Path, script: list[tuple[int, Mishap]]) -> None:
    world = World(directory)
    await world.open()
    spoken: list[str] = []
    for turns, mishap in script:
        for _ in range(turns):
            spoken.append(await world.speak(len(spoken)))
        world.letta.mishaps = [mishap]
        await world.drainer.drain_once()
    world.letta.mishaps = []
    await world.drain_until_quiet()
    counts = await world.outbox.counts()
    expected = [(turn_mark(turn), role) for turn in spoken for role in ("user", "assistant")]
    await world.database.close()
    assert world.marks() == expected
    assert counts == ({TurnState.DONE: len(spoken)} if spoken else {})


RECOVERABLE = st.sampled_from([Mishap.NONE, Mishap.REFUSED_BEFORE, Mishap.LOST_ANSWER])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), RECOVERABLE), max_size=8))
def test_every_turn_reaches_letta_exactly_once_and_in_order(script: list[tuple[int, Mishap]]) -> None:
    with TemporaryDirectory() as directory:
        asyncio.run(_play(Path(directory), script))


async def test_a_torn_write_is_parked_and_reported_and_blocks_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.open()
    await world.speak(0)
    world.letta.mishaps = [Mishap.TORN]
    await world.drainer.drain_once()
    await world.speak(1)
    await world.drain_until_quiet()
    counts = await world.outbox.counts()
    await world.database.close()
    assert counts == {TurnState.PARKED: 1, TurnState.DONE: 1}
    assert world.marks() == [("va:t1", "user"), ("va:t1", "assistant")]
    assert "memory_torn" in world.log.path.read_text()


async def test_a_poisoned_turn_is_parked_and_the_next_one_goes_on(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.open()
    await world.speak(0)
    world.letta.mishaps = [Mishap.POISON]
    await world.drain_until_quiet()
    await world.speak(1)
    await world.drain_until_quiet()
    counts = await world.outbox.counts()
    await world.database.close()
    assert counts == {TurnState.PARKED: 1, TurnState.DONE: 1}


async def test_what_a_dead_job_left_open_is_sent_as_interrupted(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.open()
    await world.outbox.open_turn(Turn("t0", "thread", "session", world.agent, 1, "are you there?"))
    assert await world.outbox.adopt_abandoned("session") == 1
    await world.drain_until_quiet()
    turns = await world.outbox.of_session("session")
    await world.database.close()
    assert [(turn.state, turn.interrupted) for turn in turns] == [(TurnState.DONE, True)]
    assert world.marks() == [("va:t0", "user")]


async def test_read_only_turns_never_reach_letta(tmp_path: Path) -> None:

    world = World(tmp_path)
    await world.open()
    turn = Turn("t0", "thread", "session", world.agent, 1, "my secret", scope=MemoryScope.READ_ONLY)
    await world.outbox.open_turn(turn)
    await world.outbox.finish_turn("t0", "kept", interrupted=False)
    await world.drain_until_quiet()
    counts = await world.outbox.counts()
    await world.database.close()
    assert counts == {TurnState.KEPT: 1}
    assert world.marks() == []
