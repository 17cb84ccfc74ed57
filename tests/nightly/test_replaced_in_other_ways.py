"""Agent processes that end during a call: the cases that tests/integration leaves out."""

from __future__ import annotations

import signal

import pytest

from tests.support.replaced import (
    an_open_question_is_answered_once_or_said_to_be_lost,
    goes_on_without_a_second_greeting,
    sent_away,
    serve_and_worker_die_together,
    the_job,
)
from tests.support.stack import Stack

pytestmark = pytest.mark.usefixtures("media_engine")


async def test_when_the_job_is_killed_the_conversation_goes_on_without_a_second_greeting(stack: Stack) -> None:
    await goes_on_without_a_second_greeting(stack, the_job, signal.SIGKILL)


async def test_serve_and_worker_die_together_and_the_conversation_goes_on(stack: Stack) -> None:
    await serve_and_worker_die_together(stack)


async def test_a_question_that_is_open_when_its_agent_is_sent_away_is_answered_once_or_said_to_be_lost(
    stack: Stack,
) -> None:
    await an_open_question_is_answered_once_or_said_to_be_lost(stack, sent_away)
