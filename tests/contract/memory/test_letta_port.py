"""Letta port: one suite on the Letta in memory, a real one, and a real one that cannot reach our recorder."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from tests.support.any_letta import SMALL_PAGE, AnyLetta
from tests.support.letta_server import NO_SUCH_AGENT
from voice_agent.contracts import ReplyPath
from voice_agent.errors import Code, Permanent, Temporary
from voice_agent.memory.breaker import BreakerState
from voice_agent.memory.letta import LettaClient
from voice_agent.memory.model import LINE, Recording, StoredMessage, Turn

pytestmark = pytest.mark.usefixtures("stack")
"""Named here, so that the leak check knows that the system belongs to the whole run."""


def turn(number: int, agent: str, *, answer: str | None = None, path: ReplyPath = ReplyPath.HYBRID) -> Turn:
    spoken = f"answer {number}" if answer is None else answer
    return Turn(f"t{number}", "thread", "session", agent, 1, f"question {number}", spoken, path=path)


def ours(messages: list[StoredMessage]) -> list[tuple[str, str, str]]:
    """Without the note, and the answer to it, that a Letta without a recorder needs."""
    return [(m.mark, m.role, m.text) for m in messages if m.mark.startswith("va:t")]


def pair(number: int) -> list[tuple[str, str, str]]:
    return [(f"va:t{number}", "user", f"question {number}"), (f"va:t{number}", "assistant", f"answer {number}")]


async def test_blocks_come_whole_and_labelled(letta: AnyLetta) -> None:
    blocks = {"persona": "I am Ada.", "human": "Robin, who has a cat.", "plans": "Lisbon\nin May"}
    snapshot = await letta.port.load_blocks(await letta.add_agent("Ada", blocks))
    assert snapshot.persona_name == "Ada"
    assert {block.label: block.value for block in snapshot.blocks} == blocks


async def test_an_agent_may_have_no_block_at_all(letta: AnyLetta) -> None:
    assert (await letta.port.load_blocks(await letta.add_agent("Bare", {}))).blocks == ()


async def test_the_version_changes_with_a_block_and_only_then(letta: AnyLetta) -> None:
    agent = await letta.add_agent("Ada", {"persona": "I am Ada.", "human": "?"})
    first, second = await letta.port.load_blocks(agent), await letta.port.load_blocks(agent)
    await letta.set_block(agent, "human", "Robin")
    assert first.version == second.version
    assert (await letta.port.load_blocks(agent)).version != first.version


async def test_agents_are_listed_and_found_whatever_the_page(letta: AnyLetta) -> None:
    human = {"persona": "I am brief.", "human": "Robin,\n  " + "who sails. " * 20}
    made = {await letta.add_agent(f"Agent {number}", human) for number in range(SMALL_PAGE + 2)}
    agents = await letta.port.list_agents()
    listed = {agent.id: agent for agent in agents}
    assert made <= set(listed)
    assert len(listed) == len(agents)
    found = await letta.port.get_agent(min(made))
    assert found is not None
    assert found == listed[min(made)]
    assert found.remembers.startswith("Robin, who sails. ")
    assert len(found.remembers) == LINE
    assert await letta.port.get_agent(NO_SUCH_AGENT) is None


async def test_turns_are_stored_as_they_are_marked_and_in_order(letta: AnyLetta) -> None:
    agent, conversation = await letta.conversation()
    await letta.port.record(Recording(conversation, (turn(1, agent), turn(2, agent))))
    await letta.port.record(Recording(conversation, (turn(3, agent), turn(4, agent))))
    messages = await letta.port.messages_after(conversation, None)
    assert ours(messages) == [*pair(1), *pair(2), *pair(3), *pair(4)]
    assert ours(await letta.port.messages_after(conversation, "va:t2")) == [*pair(3), *pair(4)]
    assert ours(await letta.port.messages_after(conversation, "va:t4")) == []
    assert not await letta.port.run_is_active(conversation)


async def test_what_was_not_answered_is_stored_alone(letta: AnyLetta) -> None:
    agent, conversation = await letta.conversation()
    await letta.port.record(Recording(conversation, (turn(1, agent, answer=""),)))
    assert ours(await letta.port.messages_after(conversation, None)) == [("va:t1", "user", "question 1")]


async def test_conversations_of_one_agent_are_apart(letta: AnyLetta) -> None:
    agent, one = await letta.conversation()
    other = await letta.port.create_conversation(agent)
    await letta.port.record(Recording(one, (turn(1, agent),)))
    assert await letta.port.messages_after(other, None) == []
    assert await letta.port.agent_holds_mark(agent, one, "va:t1")
    assert await letta.port.agent_holds_mark(agent, one, "va:t1", datetime.now(UTC))
    assert not await letta.port.agent_holds_mark(agent, one, "va:t2")
    assert not await letta.port.agent_holds_mark(agent, other, "va:t1")


async def test_an_answer_of_its_own_comes_in_pieces_and_is_kept_with_the_question(letta: AnyLetta) -> None:
    _, conversation = await letta.conversation()
    pieces = [piece async for piece in letta.port.reply(conversation, "t1", "Who painted the ceiling of the barn?")]
    assert pieces[0] == ""
    question, answer = await letta.port.messages_after(conversation, None)
    assert (question.mark, question.role) == ("va:t1", "user")
    assert (answer.role, answer.text) == ("assistant", "".join(pieces))
    assert answer.text


async def test_an_answer_that_is_broken_off_leaves_no_run_behind(letta: AnyLetta) -> None:
    _, conversation = await letta.conversation()
    answer = letta.port.reply(conversation, "t1", "Who painted the ceiling of the barn?")
    assert await anext(answer) == ""
    await answer.aclose()
    async with asyncio.timeout(20):
        while True:
            if not await letta.port.run_is_active(conversation):
                break
            await asyncio.sleep(0.1)
    assert [m.mark for m in await letta.port.messages_after(conversation, None) if m.role == "user"] in ([], ["va:t1"])


async def test_the_archive_is_found_by_its_words(letta: AnyLetta) -> None:
    agent = await letta.add_agent("Ada", {})
    assert not await letta.port.has_archive(agent)
    assert await letta.port.search(agent, "where is the spare key?") == []
    await letta.add_passage(agent, "The spare key is under the blue pot.")
    await letta.add_passage(agent, "Aunt Maud was born in Delft.")
    assert await letta.port.has_archive(agent)
    assert await letta.port.search(agent, "where is the spare key?") == ["The spare key is under the blue pot."]


async def test_reflection_leaves_no_conversation_behind(letta: AnyLetta) -> None:
    agent, conversation = await letta.conversation()
    await letta.port.reflect(agent, "Work on your memory.")
    assert await letta.port.messages_after(conversation, None) == []
    await letta.port.recompile(conversation)


async def test_what_does_not_exist_is_an_error_of_that_name(letta: AnyLetta) -> None:
    nowhere = "conv-00000000-0000-4000-8000-000000000000"
    asked = (
        letta.port.load_blocks(NO_SUCH_AGENT),
        letta.port.create_conversation(NO_SUCH_AGENT),
        letta.port.record(Recording(nowhere, (turn(1, NO_SUCH_AGENT),))),
        anext(letta.port.reply(nowhere, "t1", "Hello?")),
    )
    for call in asked:
        with pytest.raises(Permanent) as caught:
            await call
        assert caught.value.code is Code.AGENT_NOT_FOUND
    assert await letta.port.messages_after(nowhere, None) == []


async def test_a_wrong_key_is_refused_and_says_what_to_check(stack: SimpleNamespace) -> None:
    client = LettaClient(stack.settings.model_copy(update={"letta_api_key": "wrong"}))
    with pytest.raises(Permanent) as caught:
        await client.load_blocks(NO_SUCH_AGENT)
    await client.close()
    assert caught.value.code is Code.LETTA_REFUSED
    assert "LETTA_API_KEY" in caught.value.remedy


async def test_a_letta_that_is_not_there_is_unavailable_and_after_a_while_left_alone(stack: SimpleNamespace) -> None:
    client = LettaClient(stack.settings.model_copy(update={"letta_base_url": "http://127.0.0.1:9"}))
    for _ in range(6):
        with pytest.raises(Temporary) as caught:
            await client.load_blocks(NO_SUCH_AGENT)
        assert caught.value.code is Code.LETTA_UNAVAILABLE
    await client.close()
    assert client.breaker.state is BreakerState.OPEN
    assert "left alone" in caught.value.message
