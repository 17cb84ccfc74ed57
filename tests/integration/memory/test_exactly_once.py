"""Exactly-once delivery, read from Letta and not from our tables: every turn once, in order, whatever fails on the
way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.kills import talk_is_killed
from tests.support.letta_proxy import Fault, LettaProxy, letta_proxy
from tests.support.letta_server import RealLetta
from tests.support.mortal import pairs
from tests.support.stack import Stack
from voice_agent.contracts import AgentBinding, JobMetadata, MemoryScope
from voice_agent.memory.access import Memory, continuity_key
from voice_agent.memory.drainer import Drainer
from voice_agent.memory.homes import Homes
from voice_agent.memory.letta import LettaClient
from voice_agent.memory.model import Turn
from voice_agent.memory.outbox import Outbox
from voice_agent.memory.prompt import build_prompt
from voice_agent.memory.threads import Threads
from voice_agent.observe.log import ReconnectLog
from voice_agent.storage import Database, upgrade

GRACE = 2.0
CANARY = "The canary is called Tangerine."


@dataclass
class World:
    real: RealLetta
    proxy: LettaProxy
    memory: Memory
    database: Database
    drainer: Drainer
    agent: str

    async def speak(self, number: int) -> None:
        turn = Turn(f"t{number}", "thread", "session", self.agent, 1, f"question {number}")
        await self.memory.outbox.open_turn(turn)
        await self.memory.outbox.finish_turn(turn.turn_id, f"answer {number}", interrupted=False)

    async def drained(self, within: float = 120.0) -> None:
        async with asyncio.timeout(within):
            while await self.memory.outbox.threads_with_work():
                await self.drainer.drain_once()
                await asyncio.sleep(0.2)

    async def held(self) -> list[tuple[str, str, str]]:
        conversation, _, _ = await Threads(self.database).conversation("thread")
        assert conversation is not None
        return await asyncio.to_thread(self.real.messages, conversation)


@pytest.fixture
async def world(stack: Stack, tmp_path: Path) -> AsyncIterator[World]:
    real = RealLetta(stack)
    agent = await asyncio.to_thread(real.add_agent, "Ada", {"persona": "I am Ada."})
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'voice.db'}")
    await upgrade(database)
    async with letta_proxy(real.settings.effective_letta_url) as proxy:
        letta = LettaClient(real.settings.model_copy(update={"letta_base_url": proxy.url}), timeout=30.0)
        outbox, threads = Outbox(database), Threads(database)
        await threads.ensure("thread", agent)
        drainer = Drainer(
            outbox, threads, Homes(database, letta), letta, ReconnectLog(tmp_path / "log.jsonl", "test"), grace=GRACE
        )
        yield World(real, proxy, Memory(database, letta), database, drainer, agent)
        await letta.close()
    await database.close()


async def test_every_fault_of_letta_and_still_each_turn_once(world: World) -> None:
    for number, fault in enumerate(Fault):
        world.proxy.faults.append(fault)
        await world.speak(number)
        await world.drained()
    assert not world.proxy.faults
    assert await world.held() == pairs([f"t{number}" for number in range(len(Fault))])


async def test_talk_goes_on_without_letta_and_arrives_afterwards(world: World) -> None:
    fresh = await world.memory.load(world.agent, 10.0)
    world.proxy.down = True
    stale = await world.memory.load(world.agent, 1.0)
    assert not stale.fresh
    assert stale.snapshot == fresh.snapshot
    for number in range(5):
        await world.speak(number)
        assert await world.drainer.drain_once() is not None
    world.proxy.down = False
    await world.drained()
    assert await world.held() == pairs([f"t{number}" for number in range(5)])


async def test_killed_at_random_moments_nothing_is_lost_or_doubled(stack: Stack, tmp_path: Path) -> None:
    await talk_is_killed(stack, tmp_path, kills=2)


async def test_what_one_customer_says_never_reaches_another(world: World) -> None:
    agent = AgentBinding(agent_id="desk", letta_agent_id=world.agent, name="Desk", memory_scope=MemoryScope.READ_ONLY)
    first = JobMetadata(room_name="a", session_id="session-a", agent=agent)
    second = JobMetadata(room_name="b", session_id="session-b", agent=agent)
    for job in (first, second):
        await world.memory.open(job)
    thread = continuity_key(first)
    turn = Turn("c0", thread, "session-a", world.agent, 1, CANARY, scope=MemoryScope.READ_ONLY)
    await world.memory.outbox.open_turn(turn)
    await world.memory.outbox.finish_turn("c0", CANARY, interrupted=False)
    await world.memory.begin_episode(thread, world.agent, 2)
    await world.drained()

    loaded = await world.memory.load(world.agent, 10.0)
    earlier = await world.memory.begin_episode(continuity_key(second), world.agent, 2)
    assert "Tangerine" not in build_prompt(agent, loaded.snapshot, last_turns=earlier).text
    assert "Tangerine" not in str(await asyncio.to_thread(world.real.everything_said_to, world.agent))
    assert await Threads(world.database).due_reflections() == []
    own = await world.memory.begin_episode(thread, world.agent, 3)
    assert "Tangerine" in build_prompt(agent, loaded.snapshot, last_turns=own).text, "the customer's own thread knows"


async def test_after_a_switch_nothing_of_the_agent_before_is_left(world: World) -> None:
    other = await asyncio.to_thread(world.real.add_agent, "Bert", {"persona": "I am Bert."})
    await world.memory.load(world.agent, 10.0)
    world.proxy.down = True
    result = await world.memory.load(other, 1.0)
    assert result.snapshot is None
    world.proxy.down = False
    binding = AgentBinding(agent_id=other, letta_agent_id=other, name="Bert")
    loaded = await world.memory.load(other, 10.0)
    text = build_prompt(binding, loaded.snapshot).text
    assert "I am Bert." in text
    assert "Ada" not in text


async def test_two_assistants_on_one_agent_keep_their_conversations_apart(world: World) -> None:
    await Threads(world.database).ensure("other", world.agent)
    for number in range(3):
        await world.speak(number)
        turn = Turn(f"o{number}", "other", "other", world.agent, 1, f"question o{number}")
        await world.memory.outbox.open_turn(turn)
        await world.memory.outbox.finish_turn(turn.turn_id, f"answer o{number}", interrupted=False)
    await world.drained()
    assert await world.held() == pairs(["t0", "t1", "t2"])
    conversation, _, _ = await Threads(world.database).conversation("other")
    assert conversation is not None
    assert await asyncio.to_thread(world.real.messages, conversation) == pairs(["o0", "o1", "o2"])
