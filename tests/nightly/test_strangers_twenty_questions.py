"""Stranger on the real system with all twenty questions: none of the owner's facts is told."""

from __future__ import annotations

import pytest

from tests.support.questions import QUESTIONS
from tests.support.stack import Stack
from tests.support.strangers import known_by_a_key_is_told_nothing, of_one_session_is_told_nothing
from voice_agent.contracts import ReplyPath

pytestmark = pytest.mark.usefixtures("media_engine")


@pytest.mark.parametrize("path", list(ReplyPath))
async def test_twenty_questions_bring_nothing_of_the_owner(stack: Stack, path: ReplyPath) -> None:
    await known_by_a_key_is_told_nothing(stack, path, QUESTIONS)


async def test_nor_does_a_stranger_of_one_session_when_letta_is_to_answer(stack: Stack) -> None:
    await of_one_session_is_told_nothing(stack, QUESTIONS)
