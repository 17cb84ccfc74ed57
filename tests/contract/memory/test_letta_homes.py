"""Homes, passages and blocks: one suite on the Letta in memory and on real ones."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.support.any_letta import SMALL_PAGE, AnyLetta
from tests.support.letta_server import NO_SUCH_AGENT
from voice_agent.errors import Code, Permanent
from voice_agent.memory.model import FACTS, Recording, StoredBlock, Turn, fact_mark

pytestmark = pytest.mark.usefixtures("stack")
"""Named here, so that the leak check knows that the system belongs to the whole run."""

BLOCKS = {
    "persona": "I am Ada.",
    "human": "The owner sails.",
    "task": "Sell boats.",
    "diary": "The owner is in love.",
    FACTS: "- The owner is rich.",
}
ROBIN, KIM = "user:robin", "user:kim"
NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


def but_diary(label: str) -> bool:
    return label != "diary"


async def blocks_of(letta: AnyLetta, agent: str) -> dict[str, str]:
    return {block.label: block.value for block in (await letta.port.load_blocks(agent)).blocks}


async def test_a_home_is_a_copy_that_knows_nothing_of_a_person(letta: AnyLetta) -> None:
    agent = await letta.add_agent("Ada", BLOCKS)
    home = await letta.port.create_home(agent, ROBIN, "Robin: the *first* / O'Neil", but_diary)
    assert await blocks_of(letta, home) == {"persona": "I am Ada.", "human": "", "task": "Sell boats."}
    copy, source = await letta.port.get_agent(home), await letta.port.get_agent(agent)
    assert copy is not None
    assert source is not None
    assert copy.model == source.model
    assert home not in [listed.id for listed in await letta.port.list_agents()]
    assert agent in [listed.id for listed in await letta.port.list_agents()]


async def test_homes_are_found_by_assistant_and_person_the_oldest_first(letta: AnyLetta) -> None:
    agent = await letta.add_agent("Ada", BLOCKS)
    assert await letta.port.find_homes(agent, ROBIN) == []
    made = [await letta.port.create_home(agent, ROBIN, "", but_diary) for _ in range(SMALL_PAGE + 1)]
    other = await letta.port.create_home(agent, KIM, "Kim", but_diary)
    assert await letta.port.find_homes(agent, ROBIN) == made
    assert await letta.port.find_homes(agent, KIM) == [other]
    assert await letta.port.find_homes(other, ROBIN) == []


async def test_no_home_is_made_of_what_does_not_exist(letta: AnyLetta) -> None:
    with pytest.raises(Permanent) as caught:
        await letta.port.create_home(NO_SUCH_AGENT, ROBIN, "Robin", but_diary)
    assert caught.value.code is Code.AGENT_NOT_FOUND


async def test_blocks_of_a_home_follow_the_assistant_but_for_those_about_a_person(letta: AnyLetta) -> None:
    agent = await letta.add_agent("Ada", BLOCKS)
    home = await letta.port.create_home(agent, ROBIN, "Robin", but_diary)
    await letta.set_block(home, "human", "Robin has a cat.")
    await letta.port.set_block(home, FACTS, "- Robin has a cat.", "ours")
    await letta.set_block(agent, "task", "Sell planes.")
    await letta.set_block(agent, "human", "The owner flies.")
    assert (await blocks_of(letta, home))["task"] == "Sell boats.", "a value of its own, not a shared block"
    await letta.port.set_block(agent, "prices", "A plane costs a million.", "")
    await letta.port.sync_home_blocks(agent, home, but_diary)
    assert await blocks_of(letta, home) == {
        "persona": "I am Ada.",
        "human": "Robin has a cat.",
        "task": "Sell planes.",
        "prices": "A plane costs a million.",
        FACTS: "- Robin has a cat.",
    }
    await letta.remove_block(agent, "task")
    await letta.port.sync_home_blocks(agent, home, but_diary)
    assert sorted(await blocks_of(letta, home)) == [FACTS, "human", "persona", "prices"]
    await letta.port.sync_home_blocks(agent, home, lambda _: True)
    assert (await blocks_of(letta, home))["diary"] == "The owner is in love."
    await letta.port.sync_home_blocks(agent, home, lambda label: label == "persona")
    assert sorted(await blocks_of(letta, home)) == [FACTS, "human", "persona"], "copies are taken away, its own stay"
    assert (await blocks_of(letta, agent))["diary"] == "The owner is in love."


async def test_only_homes_are_deleted_and_nothing_of_them_is_left(letta: AnyLetta) -> None:
    agent = await letta.add_agent("Ada", BLOCKS)
    home = await letta.port.create_home(agent, ROBIN, "Robin", but_diary)
    conversation = await letta.port.create_conversation(home)
    await letta.port.record(Recording(conversation, (Turn("t1", "thread", "session", home, 1, "question", "answer"),)))
    await letta.port.add_passage(home, "Robin has a cat.", [fact_mark("f1")], NOON)
    for _ in range(2):
        await letta.port.delete_agent(home)
    assert await letta.port.get_agent(home) is None
    assert await letta.port.find_homes(agent, ROBIN) == []
    assert await letta.port.messages_after(conversation, None) == []
    with pytest.raises(Permanent) as caught:
        await letta.port.delete_agent(agent)
    assert caught.value.code is Code.BAD_REQUEST
    assert await blocks_of(letta, agent) == BLOCKS


async def test_a_conversation_can_be_deleted_and_more_than_once(letta: AnyLetta) -> None:
    agent = await letta.add_agent("Ada", {"persona": "I am Ada."})
    conversation = await letta.port.create_conversation(agent)
    await letta.port.record(Recording(conversation, (Turn("t1", "thread", "session", agent, 1, "question", "answer"),)))
    for _ in range(2):
        await letta.port.delete_conversation(conversation)
    assert await letta.port.messages_after(conversation, None) == []


async def test_passages_keep_their_marks_and_their_time_whatever_the_page(letta: AnyLetta) -> None:
    agent = await letta.add_agent("Ada", {})
    assert await letta.port.passages(agent) == []
    added = {
        await letta.port.add_passage(agent, f"Fact {number}: 100% sure.", [fact_mark(f"f{number}"), "va:turn:t1"], NOON)
        for number in range(2 * SMALL_PAGE + 1)
    }
    first = await letta.port.add_passage(agent, "Older.", [], datetime(2025, 1, 1, tzinfo=UTC))
    found = await letta.port.passages(agent)
    assert found[0].id == first
    assert {passage.id for passage in found} == added | {first}
    assert len(found) == len(added) + 1
    assert found[0].tags == ()
    [third] = await letta.port.passages(agent, "fact 3")
    assert (third.text, third.created_at) == ("Fact 3: 100% sure.", NOON)
    assert set(third.tags) == {fact_mark("f3"), "va:turn:t1"}


async def test_passages_are_deleted_and_more_than_once(letta: AnyLetta) -> None:
    agent = await letta.add_agent("Ada", {})
    passage = await letta.port.add_passage(agent, "Robin has a cat.", [fact_mark("f1")], NOON)
    for _ in range(2):
        await letta.port.delete_passage(agent, passage)
    assert await letta.port.passages(agent) == []
    assert not await letta.port.has_archive(agent)


async def test_a_search_leaves_facts_out_when_it_is_asked_to(letta: AnyLetta) -> None:
    agent = await letta.add_agent("Ada", {})
    await letta.port.add_passage(agent, "The owner's boat is called Wanda.", [fact_mark("f1")], NOON)
    await letta.port.add_passage(agent, "Every boat is sold with a life belt.", [], NOON)
    assert await letta.port.search(agent, "boat", facts=False) == ["Every boat is sold with a life belt."]
    assert len(await letta.port.search(agent, "boat")) == 2


async def test_a_block_of_ours_says_what_we_wrote_last(letta: AnyLetta) -> None:
    agent = await letta.add_agent("Ada", {"persona": "I am Ada."})
    assert await letta.port.get_block(agent, FACTS) is None
    assert await letta.port.get_block(agent, "persona") == StoredBlock("I am Ada.", None)
    await letta.port.set_block(agent, FACTS, "- One.", "ours")
    await letta.port.set_block(agent, FACTS, "- One.\n- Two.", "ours")
    assert await letta.port.get_block(agent, FACTS) == StoredBlock("- One.\n- Two.", "- One.\n- Two.")
    await letta.set_block(agent, FACTS, "- One.\n- Three.")
    assert await letta.port.get_block(agent, FACTS) == StoredBlock("- One.\n- Three.", "- One.\n- Two.")
    assert (await blocks_of(letta, agent))[FACTS] == "- One.\n- Three."


async def test_what_was_forgotten_stands_nowhere_once_all_that_held_it_is_gone(letta: AnyLetta) -> None:
    agent = await letta.add_agent("Ada", {"persona": "I am Ada."})
    word = f"Zerlina{agent[-8:]}"
    await letta.port.set_block(agent, FACTS, f"- The canary is called {word}.", "ours")
    conversations = [await letta.port.create_conversation(agent) for _ in range(SMALL_PAGE + 1)]
    await letta.port.recompile_all(agent)
    said = Turn("t1", "thread", "session", agent, 1, f"My canary is called {word}.", f"{word}!")
    await letta.port.record(Recording(conversations[0], (said,)))
    passage = await letta.port.add_passage(agent, f"The canary is {word}.", [fact_mark("f1")], NOON)
    assert await letta.holds(word)
    await letta.port.set_block(agent, FACTS, "", "ours")
    await letta.port.delete_passage(agent, passage)
    await letta.port.recompile_all(agent)
    for _ in range(2):
        await letta.port.delete_conversation(conversations[0])
    assert not await letta.holds(word)
    await letta.port.recompile_all(agent)
    assert await letta.port.messages_after(conversations[1], None) == []
