"""Prompt of a shared room: it holds nothing about any person, and each person's words go on in their own thread."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.memory_world import MemoryWorld
from voice_agent.contracts import AgentBinding, JobMetadata, RoomPolicy
from voice_agent.conversation.livekit_agent import LiveKitAgent
from voice_agent.conversation.prompt_context import PromptContext
from voice_agent.conversation.speakers import nobody
from voice_agent.conversation.turn_recorder import TurnContext
from voice_agent.memory.access import continuity_key
from voice_agent.memory.model import Block, Turn

TASK, OWNERS = Block("persona", "I am Ada of the harbour."), Block("human", "Robin plays the cello.")
SECRET = "I am planning to sell the restaurant in May."


def about(agent: AgentBinding, name: str, policy: RoomPolicy = RoomPolicy.SHARED) -> JobMetadata:
    user = name.lower()
    return JobMetadata(
        room_name=f"va-{policy}",
        session_id=f"session-of-{user}",
        policy=policy,
        agent=agent,
        business_id="b",
        user_id=user,
        user_name=name,
        person_id=f"user:b:{user}",
    )


class Room:
    """A room that Anna opened, and what the assistant's prompt says there."""

    def __init__(self, world: MemoryWorld, job: JobMetadata) -> None:
        self.world = world
        self.livekit_agent = LiveKitAgent()
        self.prompt_context = PromptContext(world.memory, self.livekit_agent, job)

    async def begins(self, episode: int) -> str:
        result = await self.prompt_context.load(episode, 5.0)
        await self.prompt_context.take(result.snapshot)
        return str(self.livekit_agent.instructions)

    async def hears(self, speaker: JobMetadata, words: str, episode: int) -> Turn:
        agent = self.prompt_context.agent
        thread = await self.prompt_context.hear(speaker, agent, episode)
        context = TurnContext.of(agent, thread, speaker.session_id, speaker.person_id)
        turn = Turn(
            f"{words} {episode}",
            context.thread,
            context.session_id,
            context.letta_agent_id,
            episode,
            words,
            person_id=context.person_id,
        )
        await self.world.outbox.open_turn(turn)
        await self.world.outbox.finish_turn(turn.turn_id, "I see.", interrupted=False)
        return turn


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[MemoryWorld]:
    async with MemoryWorld.open(tmp_path) as opened:
        yield opened


@asynccontextmanager
async def harbour(world: MemoryWorld) -> AsyncIterator[AgentBinding]:
    letta_agent = await world.letta.add_agent("Ada", [TASK, OWNERS])
    yield AgentBinding(agent_id="a", letta_agent_id=letta_agent, name="Ada")


async def test_nothing_that_one_of_them_said_is_told_to_the_other(world: MemoryWorld) -> None:
    async with harbour(world) as agent:
        anna, ben = about(agent, "Anna"), about(agent, "Ben")
        room = Room(world, anna)
        await world.memory.open(anna)
        await room.begins(1)
        assert room.prompt_context.who_speaks == ""
        await room.hears(anna, SECRET, 1)
        assert room.prompt_context.who_speaks == "The user who is speaking now is called Anna."
        prompt = await room.begins(2)
        await room.hears(ben, "What does Anna plan?", 2)
        assert room.prompt_context.who_speaks == "The user who is speaking now is called Ben."
        assert room.prompt_context.whose == (agent.letta_agent_id, "user:b:ben", "session-of-ben")
        assert TASK.value in prompt
        for told in ("restaurant", "Anna", "cello"):
            assert told not in prompt
        said = {job.session_id: await world.outbox.of_session(job.session_id) for job in (anna, ben)}
        assert [turn.user_text for turn in said["session-of-anna"]] == [SECRET]
        assert [turn.user_text for turn in said["session-of-ben"]] == ["What does Anna plan?"]


async def test_each_goes_on_alone_where_they_stopped_among_the_others(world: MemoryWorld) -> None:
    async with harbour(world) as agent:
        room = Room(world, about(agent, "Anna"))
        await world.memory.open(about(agent, "Anna"))
        for episode in (1, 2, 3):
            await room.begins(episode)
            await room.hears(about(agent, "Anna"), SECRET, episode)
            await room.hears(about(agent, "Ben"), "The oven is broken.", episode)
        alone = about(agent, "Ben", RoomPolicy.SESSION)
        known = await world.memory.open(alone)
        prompt = await Room(world, alone).begins(known.episode + 1)
        assert known.episode == 3
        assert "The oven is broken." in prompt
        assert "restaurant" not in prompt


async def test_of_who_is_not_known_nothing_is_kept_for_anybody(world: MemoryWorld) -> None:
    async with harbour(world) as agent:
        anna = about(agent, "Anna")
        room = Room(world, anna)
        await world.memory.open(anna)
        await room.begins(1)
        turn = await room.hears(nobody(anna), "I am a guest.", 1)
        assert (turn.thread, turn.session_id, turn.person_id) == ("a/session:va-shared", "va-shared", "")
        assert turn.thread != continuity_key(anna)
        assert await world.outbox.of_session(anna.session_id) == []


async def test_a_turn_that_a_dead_job_left_open_is_taken_over_whoever_spoke(world: MemoryWorld) -> None:
    async with harbour(world) as agent:
        anna, ben = about(agent, "Anna"), about(agent, "Ben")
        await world.memory.open(anna)
        for job, number in ((ben, "t1"), (nobody(anna), "t2")):
            await world.outbox.open_turn(Turn(number, "thread", job.session_id, agent.letta_agent_id, 1, "Hello."))
        await world.memory.open(anna, sessions={anna.session_id, ben.session_id})
        assert await world.outbox.open_turns() == {}
