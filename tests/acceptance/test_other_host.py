"""VOICE_HOST is an address of this machine: page, media and webhooks work from and for another host."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import pytest

from tests.support.letta_agents import make_agent
from tests.support.namespace import OURS, OtherHost, missing, other_host
from tests.support.scripted_llm import Rule
from tests.support.stack import Stack, running_stack

SECRET = "a-secret-of-an-administrator-for-tests"


@pytest.fixture
def neighbour() -> Iterator[OtherHost]:
    if why := missing():
        pytest.skip(why)
    with other_host() as host:
        yield host


@pytest.fixture
def reachable_stack(neighbour: OtherHost) -> Iterator[Stack]:
    """After the interface is there, and down before it goes."""
    with running_stack(VOICE_HOST=OURS, VOICE_ADMIN_SECRET=SECRET) as stack:
        yield stack


def test_a_caller_on_another_host_sees_the_page_and_is_heard_and_answered(
    neighbour: OtherHost, reachable_stack: Stack
) -> None:
    stack = reachable_stack
    stack.llm.script(Rule(user="boat", system=r"boat is called (\w+)", reply=r"It is called \1."))
    agent = make_agent(stack, "Far", "The person's sailing boat is called Marigold.")
    command = (sys.executable, "-m", "tests.support.remote_client", stack.url, agent, "What is my boat called?")
    done = neighbour.run(*command)
    assert done.returncode == 0, done.stderr
    met = json.loads(done.stdout)
    media = f"ws://{OURS}:{stack.settings.livekit_port}"
    assert met["health"] == 200
    status, kind, policy = met["page"]
    assert (status, kind.partition(";")[0]) == (200, "text/html")
    assert media in policy
    assert met["server_url"] == media
    assert "Far" in met["greeting"]
    assert met["loudest"] > 0
    assert "Marigold" in met["answer"]
    assert met["left"] in {"done", "pending"}
    assert "webhook" not in stack.log("livekit"), "LiveKit could not tell serve what happened"
