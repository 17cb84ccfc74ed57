"""Letta's own answers: nothing that was said is lost or doubled, interrupted or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.memory_world import THREAD, MemoryWorld
from voice_agent.contracts import ReplyPath
from voice_agent.errors import Code, Temporary
from voice_agent.memory.audience import Listener
from voice_agent.memory.model import TurnState

OWNER = Listener.of("owner", {})


async def ask(world: MemoryWorld, number: int, *, words: int | None = None) -> str:
    """One turn; after `words` pieces the person interrupts."""
    turn = world.turn(number, path=ReplyPath.LETTA)
    await world.outbox.open_turn(turn)
    heard: list[str] = []
    answer = world.memory.reply(THREAD, world.agent, turn.turn_id, turn.user_text, OWNER)
    async for piece in answer:
        heard.append(piece)
        if len(heard) == words:
            break
    await answer.aclose()
    text = "".join(heard)
    await world.outbox.finish_turn(turn.turn_id, text, interrupted=words is not None)
    return text


async def test_what_letta_said_is_known_to_be_held_and_not_sent_again(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        assert await ask(world, 0) == "I do not know."
        await world.drain_until_quiet()
        assert world.said() == [("va:t0", "user", "question 0"), ("", "assistant", "I do not know.")]
        assert world.letta.recordings == 0
        assert await world.outbox.counts() == {TurnState.DONE: 1}


async def test_an_interrupted_answer_is_stored_as_it_was_heard_and_once(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path, grace=60.0) as world:
        await ask(world, 0, words=1)
        await world.drain_until_quiet()
        await ask(world, 1)
        await world.drain_until_quiet()
        assert world.said() == [
            ("va:t0", "user", "question 0"),
            ("va:t0", "assistant", "I "),
            ("va:t1", "user", "question 1"),
            ("", "assistant", "I do not know."),
        ]


async def test_no_answer_overtakes_what_was_said_before(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        await world.speak(0)
        turn = world.turn(1, path=ReplyPath.LETTA)
        await world.outbox.open_turn(turn)
        with pytest.raises(Temporary) as caught:
            await anext(world.memory.reply(THREAD, world.agent, turn.turn_id, turn.user_text, OWNER))
        assert caught.value.code is Code.LETTA_UNAVAILABLE
        assert world.said() == []


async def test_changed_blocks_reach_a_conversation_that_is_open(tmp_path: Path) -> None:
    async with MemoryWorld.open(tmp_path) as world:
        await world.memory.load(world.agent, 5.0, OWNER)
        await ask(world, 0)
        await world.drain_until_quiet()
        await ask(world, 1)
        assert len(world.letta.recompiled) == 1
        await world.drain_until_quiet()
        await world.letta.edit_block(world.agent, "persona", "I am somebody else")
        await world.memory.load(world.agent, 5.0, OWNER)
        await ask(world, 2)
        assert len(world.letta.recompiled) == 2
