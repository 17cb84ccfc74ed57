"""Stranger on the real system with some questions: none of the owner's facts is told. All questions: tests/nightly."""

from __future__ import annotations

from tests.support.questions import QUESTIONS
from tests.support.stack import Stack
from tests.support.strangers import known_by_a_key_is_told_nothing, of_one_session_is_told_nothing
from voice_agent.contracts import ReplyPath

SOME = tuple(QUESTIONS[number] for number in (1, 4, 6, 11))
"""The cat, the brother, the key, everything in the prompt. tests/unit asks all of them on each path."""


async def test_questions_of_who_is_known_by_a_key_bring_nothing_of_the_owner(stack: Stack) -> None:
    await known_by_a_key_is_told_nothing(stack, ReplyPath.HYBRID, SOME)


async def test_nor_do_those_of_a_stranger_of_one_session_when_letta_is_to_answer(stack: Stack) -> None:
    await of_one_session_is_told_nothing(stack, SOME)
