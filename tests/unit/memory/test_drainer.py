"""Drainer: each turn exactly once and in order, whatever happens to the posts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.fake_letta import FakeLetta, Mishap
from tests.support.memory_world import MemoryWorld
from voice_agent.contracts import MemoryScope
from voice_agent.errors import Code, Permanent
from voice_agent.memory.model import Recording, TurnState, turn_mark

RECOVERABLE = st.sampled_from([Mishap.NONE, Mishap.REFUSED_BEFORE, Mishap.LOST_ANSWER])


async def _play(directory: Path, script: list[tuple[int, Mishap]]) -> None:
    async with MemoryWorld.open(directory) as world:
        spoken: list[str] = []
        for turns, mishap in script:
            for _ in range(turns):
                spoken.append(await world.speak(len(spoken)))
            world.letta.mishaps = [mishap]
            await world.drainer.drain_once()
        world.letta.mishaps = []
        await world.drain_until_quiet()
        assert world.marks() == [(turn_mark(turn), role) for turn in spoken for role in ("user", "assistant")]
        assert await world.outbox.counts() == ({TurnState.DONE: len(spoken)} if spoken else {})


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), RECOVERABLE), max_size=8))
def test_every_turn_reaches_letta_exactly_once_and_in_order(script: list[tuple[int, Mishap]]) -> None:
    with TemporaryDirectory() as directory:
        asyncio.run(_play(Path(directory), script))


async def test_a_torn_write_is_parked_and_reported_and_blocks_nothing(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        await world.speak(0)
        world.letta.mishaps = [Mishap.TORN]
        await world.drainer.drain_once()
        await world.speak(1)
        await world.drain_until_quiet()
        assert await world.outbox.counts() == {TurnState.PARKED: 1, TurnState.DONE: 1}
        assert world.marks() == [("va:t1", "user"), ("va:t1", "assistant")]
        assert "memory_torn" in world.log.path.read_text()


async def test_a_poisoned_turn_takes_no_other_of_its_batch_with_it(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        for number in range(3):
            await world.speak(number)
        world.letta.mishaps = [Mishap.POISON, Mishap.POISON]  # the batch, then its first turn alone
        await world.drain_until_quiet()
        assert [turn.state for turn in await world.outbox.of_session("session")] == ["parked", "done", "done"]
        assert {mark for mark, _ in world.marks()} == {"va:t1", "va:t2"}


async def test_what_letta_fails_on_for_ever_is_parked_once_others_went_through(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        world.letta.fails_on = {"t0"}
        await world.speak(0)
        await world.speak(1)
        for _ in range(30):
            await world.drainer.drain_once()
        assert TurnState.PARKED not in await world.outbox.counts(), "it may be Letta that fails, not the turn"
        await world.threads.ensure("other", world.agent)
        await world.speak(2, thread="other")
        await world.drain_until_quiet()
        assert [turn.state for turn in await world.outbox.of_session("session")] == ["parked", "done", "done"]


async def test_nothing_is_sent_again_while_the_first_post_may_still_arrive(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path, grace=60.0) as world:
        await world.speak(0)
        world.letta.mishaps = [Mishap.REFUSED_BEFORE]
        for _ in range(5):
            await world.drainer.drain_once()
        assert world.letta.recordings == 1
        assert await world.outbox.counts() == {TurnState.SENDING: 1}


async def test_a_wrong_key_costs_no_turn(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        await world.speak(0)
        world.letta.mishaps = [Mishap.REFUSED_KEY]
        trouble = await world.drainer.drain_once()
        assert isinstance(trouble, Permanent)
        assert trouble.code is Code.LETTA_REFUSED
        await world.drain_until_quiet()
        assert await world.outbox.counts() == {TurnState.DONE: 1}


async def test_a_conversation_that_somebody_removed_is_replaced(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        await world.speak(0)
        await world.drain_until_quiet()
        world.letta.conversations.clear()
        await world.speak(1)
        await world.drain_until_quiet()
        assert world.marks() == [("va:t1", "user"), ("va:t1", "assistant")]


async def test_turns_of_an_agent_that_is_gone_are_parked_and_come_back_by_hand(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        agents = dict(world.letta.agents)
        world.letta.agents.clear()
        await world.speak(0)
        await world.drain_until_quiet()
        assert await world.outbox.counts() == {TurnState.PARKED: 1}
        world.letta.agents.update(agents)
        assert await world.outbox.unpark(world.agent) == 1
        await world.drain_until_quiet()
        assert world.marks() == [("va:t0", "user"), ("va:t0", "assistant")]


async def test_a_turn_that_is_still_spoken_holds_back_those_behind_it(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        await world.outbox.open_turn(world.turn(0))
        await world.speak(1)
        await world.drainer.drain_once()
        assert world.marks() == []
        await world.outbox.finish_turn("t0", "answer 0", interrupted=False)
        await world.drain_until_quiet()
        assert [mark for mark, role in world.marks() if role == "user"] == ["va:t0", "va:t1"]


async def test_what_a_dead_job_left_open_is_sent_as_interrupted(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        await world.outbox.open_turn(world.turn(0))
        assert await world.outbox.adopt_abandoned("session") == 1
        await world.drain_until_quiet()
        [turn] = await world.outbox.of_session("session")
        assert (turn.state, turn.interrupted) == (TurnState.DONE, True)
        assert world.marks() == [("va:t0", "user")]


async def test_the_answer_that_a_dead_job_was_giving_is_known(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        await world.outbox.open_turn(world.turn(0))
        await world.outbox.plan_answer("t0", "answer 0")
        await world.outbox.adopt_abandoned("session")
        await world.speak(1)
        await world.outbox.plan_answer("t1", "too late: it was heard otherwise")
        await world.drain_until_quiet()
        assert world.marks() == [(mark, role) for mark in ("va:t0", "va:t1") for role in ("user", "assistant")]
        said = await world.outbox.of_session("session")
        assert [(turn.assistant_text, turn.interrupted) for turn in said] == [("answer 0", True), ("answer 1", False)]


class SlowLetta(FakeLetta):
    """Notes how many recordings were under way at once."""

    now, most = 0, 0

    async def record(self, recording: Recording) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.02)
        self.now -= 1
        await super().record(recording)


async def _say(world: MemoryWorld, number: int, thread: str, agent: str) -> None:
    turn = replace(world.turn(number, thread=thread), letta_agent_id=agent)
    await world.outbox.open_turn(turn)
    await world.outbox.finish_turn(turn.turn_id, f"answer {number}", interrupted=False)


@asynccontextmanager
async def _draining(world: MemoryWorld) -> AsyncIterator[None]:
    """As the memory worker does it."""

    async def drain() -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                await world.drainer.start_due(group)
                await asyncio.sleep(0.01)

    work = asyncio.create_task(drain())
    try:
        yield
    finally:
        work.cancel()
        await asyncio.wait([work])


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_an_agent_that_is_busy_delays_no_other(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        bob = await world.letta.add_agent("Bob", [])
        await world.speak(0)
        await world.speak(1)
        async with _draining(world):
            async with world.locks.of(world.agent):  # as a reflection holds it, for minutes
                for number in (2, 3):  # the second is said after the first was carried off
                    await _say(world, number, "bob's", bob)
                    await _until(lambda: len(world.marks()) == 2 * (number - 1))  # noqa: B023
                assert [mark for mark, _ in world.marks()] == ["va:t2", "va:t2", "va:t3", "va:t3"]
            await _until(lambda: len(world.marks()) == 8)
        ours = [mark for mark, role in world.marks() if role == "user" and mark in ("va:t0", "va:t1")]
        assert ours == ["va:t0", "va:t1"]


async def test_several_threads_are_worked_on_at_once_each_by_one(tmp_path: Path) -> None:
    letta = SlowLetta()
    async with MemoryWorld.open(tmp_path, letta=letta) as world:
        agents = [await letta.add_agent(f"Bob {number}", []) for number in range(10)]
        for number, agent in enumerate([*agents, *agents]):
            await _say(world, number, f"thread {number % 10}", agent)
        async with _draining(world):
            await _until(lambda: len(world.marks()) == 40)
        assert 1 < letta.most <= 4
        assert letta.recordings == 10
        for number, messages in enumerate(letta.conversations.values()):
            of_thread = [f"va:t{int(messages[0].mark[4:]) + more}" for more in (0, 10) for _ in "ua"]
            assert [message.mark for message in messages] == of_thread, number


async def test_read_only_turns_never_reach_letta(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        await world.speak(0, scope=MemoryScope.READ_ONLY)
        await world.outbox.open_turn(world.turn(1, scope=MemoryScope.READ_ONLY))
        await world.outbox.adopt_abandoned("session")
        await world.drain_until_quiet()
        assert await world.outbox.counts() == {TurnState.KEPT: 2}
        assert world.marks() == []


async def test_the_outbox_has_a_bound_and_says_so(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path, limit=2) as world:
        await world.speak(0)
        await world.speak(1)
        with pytest.raises(Permanent) as caught:
            await world.speak(2)
        assert caught.value.code is Code.OUTBOX_FULL
        assert await world.outbox.fill() == 1.0
        await world.drain_until_quiet()
        await world.speak(3)
