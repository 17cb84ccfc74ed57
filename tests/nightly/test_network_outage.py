"""Network outage of 20 s for a person: the same conversation goes on, in a real page on another host."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import CHROMIUM, Visitor, chromium
from tests.support.eventually import eventually
from tests.support.letta_agents import make_agent, pages, spoken_turns
from tests.support.namespace import OURS, OtherHost, missing, other_host
from tests.support.scripted_llm import Rule
from tests.support.stack import Stack, running_stack

SECRET = "a-secret-of-an-administrator-for-tests"
OUTAGE = 20.0
TOLD, ASKED = "I sailed to Bermuda.", "What did I just tell you?"
ANSWER = "You sailed to Bermuda."


@pytest.fixture(scope="module")
def neighbour() -> Iterator[OtherHost]:
    if why := missing():
        pytest.skip(why)
    with other_host() as host:
        yield host


@pytest.fixture(scope="module")
def reachable(neighbour: OtherHost) -> Iterator[Stack]:
    """The whole system, at an address that the other host knows."""
    with running_stack(VOICE_HOST=OURS, VOICE_ADMIN_SECRET=SECRET) as running:
        running.llm.script(
            Rule(user="just tell", history="sailed to Bermuda", reply=ANSWER), Rule(user="Bermuda", reply="How nice.")
        )
        yield running


@pytest.fixture
def browser(neighbour: OtherHost, reachable: Stack, tmp_path: Path) -> Iterator[Browser]:
    there = tmp_path / "chromium"
    there.write_text(f'#!/bin/sh\nexec {shlex.join(neighbour.command(CHROMIUM))} "$@"\n')
    there.chmod(0o755)
    with chromium(executable=str(there), trusts=reachable.url) as browser:
        yield browser


@pytest.mark.parametrize("away", [OtherHost.unplugged, OtherHost.cut_off])
def test_who_has_no_network_for_20_s_goes_on_where_they_were(
    reachable: Stack,
    browser: Browser,
    neighbour: OtherHost,
    away: Callable[[OtherHost], AbstractContextManager[None]],
) -> None:
    agent = make_agent(reachable, f"Outage {away.__name__}")
    others = letta_agents(reachable)
    visitor = Visitor(browser.new_page())
    visitor.call(reachable.url, agent)
    visitor.expect_answering()
    expect(visitor.answers).to_have_count(1, timeout=60_000)
    greeting = visitor.answers.inner_text()
    assert visitor.ask(TOLD) == "How nice."
    session = session_of(visitor)
    with away(neighbour):
        visitor.page.wait_for_timeout(OUTAGE * 1000)  # the length of the outage is what is tested
    back = time.monotonic()
    visitor.expect_answering()
    print(f"{away.__name__}: served again after {time.monotonic() - back:.1f} s")
    assert visitor.ask(ASKED) == ANSWER
    assert session_of(visitor) == session
    shown = visitor.answers.locator(".line-text").all_inner_texts()
    assert len(shown) == 3, f"after {greeting!r}: {shown}"
    visitor.leave()

    stored = eventually(lambda: spoken_with_any_but(reachable, others), lambda turns: len(turns) >= 4, within=60)
    assert [text for role, text in stored if role == "user_message"] == [TOLD, ASKED]
    lines = lines_of(reachable, agent)
    assert sum(line["event"] == "greeting.spoken" for line in lines) == 1
    assert len({line["fields"]["life"] for line in lines if "life" in line["fields"]}) == 1, "another agent"


def session_of(visitor: Visitor) -> str:
    return str(json.loads(visitor.page.evaluate("sessionStorage.getItem('voice-agent.session')"))["sessionId"])


def letta_agents(stack: Stack) -> set[str]:
    """Those of persons, too, which Letta hides."""
    return {agent["id"] for agent in pages(stack, "/v1/agents/", show_hidden_agents="true")}


def spoken_with_any_but(stack: Stack, others: set[str]) -> list[tuple[str, str]]:
    """Whoever is no owner has an agent of their own in Letta, made when there is something to keep."""
    return [turn for agent in letta_agents(stack) - others for turn in spoken_turns(stack, agent)]


def lines_of(stack: Stack, agent: str) -> list[dict[str, Any]]:
    lines = (json.loads(line) for line in stack.settings.reconnect_log.read_text().splitlines())
    return [line for line in lines if line.get("agent") == agent]
