"""Agent processes that end during a call: the conversation goes on. Further cases: tests/nightly."""

from __future__ import annotations

import signal

from tests.support.replaced import (
    an_open_question_is_answered_once_or_said_to_be_lost,
    goes_on_without_a_second_greeting,
    killed,
    the_worker,
)
from tests.support.stack import Stack


async def test_when_the_worker_is_stopped_the_conversation_goes_on_without_a_second_greeting(stack: Stack) -> None:
    await goes_on_without_a_second_greeting(stack, the_worker, signal.SIGTERM)


async def test_a_question_that_is_open_when_the_job_is_killed_is_answered_once_by_the_next_one(stack: Stack) -> None:
    await an_open_question_is_answered_once_or_said_to_be_lost(stack, killed)
