from __future__ import annotations

from datetime import UTC, datetime

from voice_agent.contracts import AgentBinding
from voice_agent.memory.model import Block, Snapshot, Turn
from voice_agent.memory.prompt import BLOCK_BUDGET, QUOTE_BUDGET, build_prompt

ADA = AgentBinding(agent_id="a", letta_agent_id="agent-1", name="Ada", instructions="Be brief.")


def snapshot(*blocks: Block) -> Snapshot:
    return Snapshot("agent-1", "Ada", blocks, datetime.now(UTC))


def turn(number: int, words: str, *, interrupted: bool = False) -> Turn:
    return Turn(f"t{number}", "thread", "s", "agent-1", 1, words, f"answer {number}", interrupted)


def test_every_block_reaches_the_prompt_under_its_own_label() -> None:
    prompt = build_prompt(ADA, snapshot(Block("persona", "I am Ada"), Block("human", "Likes blue")))
    assert '<memory label="persona">\nI am Ada\n</memory>' in prompt.text
    assert '<memory label="human">\nLikes blue\n</memory>' in prompt.text
    assert prompt.truncated == ()


def test_a_block_is_cut_aloud_never_silently() -> None:
    prompt = build_prompt(ADA, snapshot(Block("notes", "x" * (BLOCK_BUDGET + 7))))
    assert prompt.truncated == ("notes",)
    assert "[cut: 7 more characters]" in prompt.text


def test_what_never_changes_in_a_session_comes_before_what_does() -> None:
    prompt = build_prompt(
        ADA, snapshot(Block("persona", "I am Ada")), user_name="Sam", last_turns=[turn(1, "Remember the blue door")]
    )
    places = [prompt.text.index(part) for part in ("Be brief.", "I am Ada", "called Sam", "blue door")]
    assert places == sorted(places)


def test_the_quotation_is_bounded_and_keeps_the_newest_words() -> None:
    turns = [turn(number, f"question {number} " + "y" * 300) for number in range(20)]
    prompt = build_prompt(ADA, None, last_turns=turns)
    quoted = prompt.text.split("<last_conversation>")[1]
    assert "question 19" in quoted
    assert "question 0 " not in quoted
    assert len(quoted) < QUOTE_BUDGET + 200


def test_an_interrupted_answer_is_quoted_as_interrupted() -> None:
    prompt = build_prompt(ADA, None, last_turns=[turn(1, "Tell me more", interrupted=True)])
    assert "answer 1 [interrupted]" in prompt.text
