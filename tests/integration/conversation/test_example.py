"""examples/open_session.py against the real system."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from tests.integration.conversation.people import BOAT, QUESTION
from tests.support.letta_agents import make_agent
from tests.support.stack import REPOSITORY, Stack

WITHIN = 180.0


def asks(stack: Stack, assistant: str, question: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "examples/open_session.py", assistant, question, "--url", stack.url],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
    )


async def test_the_question_is_answered_and_nothing_else_is_printed(stack: Stack) -> None:
    agent = make_agent(stack, "Exemplary", BOAT)
    for called in ("Exemplary", agent):
        done = await asyncio.to_thread(asks, stack, called, QUESTION)
        assert (done.returncode, done.stdout) == (0, "It is called Marigold.\n"), done.stderr


async def test_who_is_not_there_is_said(stack: Stack) -> None:
    done = await asyncio.to_thread(asks, stack, "Nobody", QUESTION)
    assert done.returncode == 1
    assert done.stderr.startswith("0 assistants are called 'Nobody'. There are: ")
