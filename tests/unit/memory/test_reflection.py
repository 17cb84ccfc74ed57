from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tests.support.fake_letta import Mishap
from tests.support.memory_world import THREAD, MemoryWorld
from voice_agent.contracts import MemoryScope, ReplyPath
from voice_agent.memory.drainer import AgentLocks
from voice_agent.memory.facts.fact import Fact
from voice_agent.memory.facts.store import FactStore
from voice_agent.memory.reflection import TRANSCRIPT_CHARS, Reflection, instruction


async def test_new_words_are_worked_in_once_however_often_it_is_asked(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        await world.speak(0)
        await world.memory.allow_reflection(THREAD)
        await world.memory.begin_episode(THREAD, world.agent, 2)
        await world.reflection.run_due()
        await world.memory.allow_reflection(THREAD)
        await world.reflection.run_due()
        [(agent, text)] = world.letta.reflections
        assert agent == world.agent
        assert "question 0" in text
        assert "answer 0" in text
        assert "memory.tended" in world.log.path.read_text()


async def test_nobody_asks_in_the_middle_of_a_conversation_by_itself(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        await world.speak(0)
        await world.drain_until_quiet()
        await world.reflection.run_due()
        assert world.letta.reflections == []


async def test_only_what_is_new_since_the_last_time_is_given(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        for number in range(2):
            await world.speak(number)
            await world.memory.allow_reflection(THREAD)
            await world.reflection.run_due()
        assert "question 0" not in world.letta.reflections[1][1]
        assert "question 1" in world.letta.reflections[1][1]


async def test_customers_and_agents_that_answer_themselves_are_left_alone(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        await world.speak(0, scope=MemoryScope.READ_ONLY)
        await world.outbox.open_turn(world.turn(1, path=ReplyPath.LETTA))
        await world.outbox.finish_turn("t1", "answer 1", interrupted=False)
        await world.memory.allow_reflection(THREAD)
        await world.reflection.run_due()
        assert world.letta.reflections == []


async def test_work_that_was_sent_away_waits_for_a_quieter_moment(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        await world.speak(0)
        await world.memory.allow_reflection(THREAD)
        world.letta.mishaps = [Mishap.REFUSED_BEFORE]
        await world.reflection.run_due()
        await world.reflection.run_due()
        assert world.letta.reflections == []
        world.now = 61.0
        await world.reflection.run_due()
        assert len(world.letta.reflections) == 1


async def test_a_long_transcript_is_cut_aloud_at_its_beginning(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        for number in range(3):
            await world.speak(number)
        turns = await world.outbox.of_session("session")
        long = [*turns[:2], *turns[2:] * (TRANSCRIPT_CHARS // 20)]
        text = instruction(long)
        assert "left out" in text
        assert "question 0" not in text
        assert len(text) < TRANSCRIPT_CHARS + 1_000


async def test_work_that_keeps_failing_is_given_up_and_said_once(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        await world.speak(0)
        await world.memory.allow_reflection(THREAD)
        world.letta.mishaps = [Mishap.REFUSED_BEFORE] * 20
        for _ in range(10):
            await world.reflection.run_due()
            world.now += 61.0
        assert len(world.letta.mishaps) == 16, "once, and three times more"
        assert await world.threads.due_reflections() == []
        assert world.log.path.read_text().count("given up") == 1


async def test_work_that_changes_nothing_although_facts_were_told_is_one_notice(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        for number in range(5):
            turn = await world.speak(number)
            told = Fact(f"f{number}", world.agent, "owner", "The user sails.", datetime.now(UTC), turn_id=turn)
            await FactStore(world.database).add(told)
            await world.memory.allow_reflection(THREAD)
            await world.reflection.run_due()
        assert world.log.path.read_text().count("changed nothing 3 times") == 1


async def test_it_leaves_a_model_alone_that_cannot_use_the_tools(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        await world.speak(0)
        await world.memory.allow_reflection(THREAD)
        idle = Reflection(
            *(world.outbox, world.threads, world.homes, world.letta, world.log, AgentLocks()),
            facts=FactStore(world.database),
            enabled=False,
        )
        await idle.run_due()
        assert world.letta.reflections == []
