from __future__ import annotations

from datetime import UTC, datetime

import pytest

from voice_agent.contracts import AgentBinding
from voice_agent.memory.facts.fact import Fact
from voice_agent.memory.facts.store import Owner
from voice_agent.memory.model import Block, Snapshot, Turn
from voice_agent.memory.prompt import BLOCK_BUDGET, QUOTE_BUDGET, build_prompt, forgotten_text, recalled_text
from voice_agent.memory.recall.block_facts import block_facts
from voice_agent.memory.recall.recall import Recalled

ADA = AgentBinding(agent_id="a", letta_agent_id="agent-1", name="Ada", instructions="Be brief.")


def snapshot(*blocks: Block) -> Snapshot:
    return Snapshot("agent-1", "Ada", blocks, datetime.now(UTC))


def turn(number: int, words: str, *, interrupted: bool = False) -> Turn:
    return Turn(f"t{number}", "thread", "s", "agent-1", 1, words, f"answer {number}", interrupted)


def test_the_four_kinds_of_knowledge_are_told_apart() -> None:
    prompt = build_prompt(
        ADA, snapshot(Block("persona", "I am Ada"), Block("human", "Likes blue"), Block("menu", "Risotto"))
    )
    assert "Who you are:\nI am Ada" in prompt.text
    assert "What you know for your task (menu):\nRisotto" in prompt.text
    assert "What you know about the user:\nLikes blue" in prompt.text
    assert prompt.truncated == ()


def test_our_block_of_facts_is_for_others_what_of_it_matters_is_recalled() -> None:
    assert "Biscuit" not in build_prompt(ADA, snapshot(Block("facts", "The user's dog is named Biscuit."))).text


def fact(text: str) -> Fact:
    return Fact("f", "agent-1", "owner", text, datetime(2026, 11, 26, tzinfo=UTC))


def test_what_a_question_brought_up_stands_in_the_form_that_was_measured() -> None:
    known = recalled_text(Recalled((fact("The user's dog is named Biscuit."),)))
    assert known == "What you know about the user:\n- The user's dog is named Biscuit."
    unsure = recalled_text(Recalled((fact("The user collects watches."),), sure=False))
    assert unsure.endswith("If this does not answer the question, the user has not told you.")
    assert recalled_text(Recalled(untold=True)).endswith('nothing about this. Begin with "You have not told me".')
    assert recalled_text(Recalled()) == ""


def test_what_stands_in_the_prompt_anyway_is_not_repeated_before_the_question() -> None:
    block = block_facts([Block("human", "The user plays the cello.")], Owner("agent-1", "owner"))
    told = fact("The user's dog is named Biscuit.")
    assert recalled_text(Recalled(tuple(block)), blocks_whole=True) == ""
    assert "cello" in recalled_text(Recalled(tuple(block))), "a block that was cut may not hold it"
    both = recalled_text(Recalled((*block, told)), blocks_whole=True)
    assert "cello" in both
    assert "Biscuit" in both
    assert recalled_text(Recalled(untold=True), blocks_whole=True)


def test_a_block_is_cut_aloud_never_silently() -> None:
    prompt = build_prompt(ADA, snapshot(Block("notes", "x" * (BLOCK_BUDGET + 7))))
    assert prompt.truncated == ("notes",)
    assert "[cut: 7 more characters]" in prompt.text


def test_what_never_changes_in_a_session_comes_before_what_does() -> None:
    prompt = build_prompt(
        ADA, snapshot(Block("persona", "I am Ada")), user_name="Sam", last_turns=[turn(1, "Remember the blue door")]
    )
    places = [prompt.text.index(part) for part in ("Be brief.", "I am Ada", "name is Sam", "blue door")]
    assert places == sorted(places)


def test_the_quotation_is_bounded_and_keeps_the_newest_words() -> None:
    turns = [turn(number, f"question {number} " + "y" * 300) for number in range(20)]
    prompt = build_prompt(ADA, None, last_turns=turns)
    quoted = prompt.text.split("How your last conversation ended:")[1]
    assert "question 19" in quoted
    assert "question 0 " not in quoted
    assert len(quoted) < QUOTE_BUDGET + 200


def test_an_interrupted_answer_is_quoted_as_interrupted() -> None:
    prompt = build_prompt(ADA, None, last_turns=[turn(1, "Tell me more", interrupted=True)])
    assert "answer 1 [interrupted]" in prompt.text


@pytest.mark.parametrize(
    ("count", "written", "says", "denies"),
    [
        (0, 0, "nothing of that kind", "note"),
        (2, 0, "2 things", "note"),
        (0, 1, '"I cannot forget that myself: it stands in my notes"', "have forgotten"),
        (1, 1, '"I have forgotten what you told me, but it still stands in my notes"', "do not know any more"),
    ],
)
def test_nothing_is_said_to_be_forgotten_that_still_stands_in_a_note(
    count: int, written: int, says: str, denies: str
) -> None:
    text = forgotten_text(count, written)
    assert says in text
    assert denies not in text
