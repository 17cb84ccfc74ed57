"""Return through the page: reload, lost network, dead servers, other tabs, ended sessions."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.support.browser import Visitor, chromium
from tests.support.eventually import eventually
from tests.support.stack import Stack

SESSION = "voice-agent.session"


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def agent_called(stack: Stack, name: str) -> str:
    agents = httpx.get(f"{stack.url}/agents", trust_env=False, timeout=30).json()["agents"]
    return str(next(agent["id"] for agent in agents if agent["name"] == name))


def visit(stack: Stack, place: Browser | BrowserContext, name: str = "Juniper") -> Visitor:
    visitor = Visitor(place.new_page())
    visitor.call(stack.url, agent_called(stack, name))
    visitor.expect_answering()
    return visitor


def session_of(visitor: Visitor) -> dict[str, Any]:
    kept = visitor.page.evaluate("key => sessionStorage.getItem(key)", SESSION)
    return dict(json.loads(kept))


def end_session(stack: Stack, session: dict[str, Any]) -> None:
    """As somebody else would: for good."""
    headers = {"Authorization": f"Bearer {session['secret']}"}
    answer = httpx.delete(f"{stack.url}/session/{session['sessionId']}", headers=headers, trust_env=False, timeout=30)
    assert answer.status_code == 204, answer.text


def kill(stack: Stack, service: str) -> None:
    services = json.loads(stack.command("status", "--json").stdout)["services"]
    pid = next(one["pid"] for one in services if one["name"] == service)
    os.kill(pid, signal.SIGKILL)


def healthy(stack: Stack) -> bool:
    try:
        return httpx.get(f"{stack.url}/health", trust_env=False, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


# --- the four tests of the reconnection note ---


def test_leave_and_come_back_after_a_while(stack: Stack, browser: Browser) -> None:
    visitor = visit(stack, browser)
    assert visitor.ask("Hello there.")
    session, episode = session_of(visitor)["sessionId"], visitor.episode
    visitor.leave()
    expect(visitor.find("headline")).to_have_text("Call ended")
    visitor.page.wait_for_timeout(3000)  # the note asks for an absence of three seconds
    visitor.find("reconnect").click()
    visitor.expect_answering()
    assert session_of(visitor)["sessionId"] == session
    assert visitor.episode > episode
    assert visitor.ask("Hello again.")
    visitor.leave()


def test_leave_before_the_assistant_has_come(stack: Stack, browser: Browser) -> None:
    visitor = Visitor(browser.new_page())
    visitor.call(stack.url, agent_called(stack, "Marlow"))
    visitor.find("disconnect").click()
    visitor.expect_phase("left")
    visitor.find("reconnect").click()
    visitor.expect_answering()
    assert visitor.ask("Hello there.")
    visitor.leave()


def test_five_cycles(stack: Stack, browser: Browser) -> None:
    visitor = visit(stack, browser)
    for cycle in range(5):
        assert visitor.ask(f"This is round {cycle}.")
        visitor.leave()
        visitor.find("reconnect").click()
        visitor.expect_answering()
    visitor.leave()


def test_leave_in_the_middle_of_an_answer(stack: Stack, browser: Browser) -> None:
    visitor = visit(stack, browser)
    visitor.find("message").fill("Tell me something long.")
    visitor.find("send").click()
    visitor.leave()
    visitor.find("reconnect").click()
    visitor.expect_answering()
    assert visitor.ask("Hello again.")
    assert visitor.page.locator("[data-testid=notice][data-level=error]").count() == 0
    visitor.leave()


# --- by itself ---


def test_reload_comes_back_to_the_same_session_and_says_so(stack: Stack, browser: Browser) -> None:
    visitor = visit(stack, browser)
    assert visitor.ask("Remember this line.")
    session = session_of(visitor)["sessionId"]
    visitor.page.reload()
    visitor.expect_answering()
    visitor.expect_notice("back")
    assert session_of(visitor)["sessionId"] == session
    expect(visitor.find("captions")).to_contain_text("Remember this line.")
    assert visitor.ask("Hello again.")
    visitor.leave()
    visitor.page.reload()
    visitor.expect_phase("idle")  # who left stays away


def test_thirty_seconds_without_a_network(stack: Stack, browser: Browser) -> None:
    context = browser.new_context()
    visitor = visit(stack, context)
    session = session_of(visitor)["sessionId"]
    context.set_offline(True)
    visitor.expect_notice("offline")
    visitor.page.wait_for_timeout(30_000)  # the length of the absence is what is tested
    context.set_offline(False)
    visitor.expect_answering(30)
    assert visitor.page.locator("[data-testid=notice][data-code=offline]").count() == 0
    assert session_of(visitor)["sessionId"] == session
    assert visitor.ask("Hello again.")
    visitor.leave()


def test_a_laptop_that_sleeps_wakes_up_in_the_conversation(stack: Stack, browser: Browser) -> None:
    context = browser.new_context()
    visitor = visit(stack, context)
    session = session_of(visitor)["sessionId"]
    assert visitor.ask("Hello there.")
    lid = context.new_cdp_session(visitor.page)
    lid.send("Page.setWebLifecycleState", {"state": "frozen"})
    lid.send("Network.enable")
    lid.send(
        "Network.emulateNetworkConditions",
        {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0},
    )
    time.sleep(30)  # the length of the sleep is what is tested: longer than LiveKit waits for anybody
    lid.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1},
    )
    lid.send("Page.setWebLifecycleState", {"state": "active"})
    assert visitor.ask("Good morning again.")
    assert session_of(visitor)["sessionId"] == session
    visitor.leave()


def test_the_control_plane_dies_in_mid_call(stack: Stack, browser: Browser) -> None:
    visitor = visit(stack, browser)
    kill(stack, "serve")
    assert visitor.ask("Do you still hear me?")  # the call does not need it
    visitor.leave()
    assert eventually(lambda: healthy(stack), bool, within=120)
    visitor.find("reconnect").click()
    visitor.expect_answering(120)
    assert visitor.ask("Hello again.")
    visitor.leave()


def test_the_room_server_dies_in_mid_call(stack: Stack, browser: Browser) -> None:
    visitor = visit(stack, browser)
    session = session_of(visitor)["sessionId"]
    kill(stack, "livekit")
    visitor.expect_phase("returning")
    visitor.expect_answering(120)
    assert session_of(visitor)["sessionId"] == session
    assert visitor.ask("Hello again.")
    visitor.leave()


# --- sessions that are over ---


def test_a_session_that_ended_meanwhile_is_left_to_a_button(stack: Stack, browser: Browser) -> None:
    visitor = visit(stack, browser)
    before = session_of(visitor)
    visitor.page.goto("about:blank")
    end_session(stack, before)
    visitor.page.goto(stack.url)
    visitor.expect_phase("stopped")
    visitor.expect_notice("session_expired")
    visitor.find("reconnect").click()
    visitor.expect_answering()
    assert session_of(visitor)["sessionId"] != before["sessionId"]
    visitor.leave()


def test_coming_back_too_late_gives_a_new_session_and_says_so(stack: Stack, browser: Browser) -> None:
    visitor = visit(stack, browser)
    visitor.leave()
    before = session_of(visitor)
    end_session(stack, before)
    visitor.find("reconnect").click()
    visitor.expect_answering()
    assert session_of(visitor)["sessionId"] != before["sessionId"]
    assert visitor.page.locator("[data-testid=notice][data-code^=session_]").count() == 1
    visitor.leave()


# --- tabs ---


def test_a_new_tab_has_its_own_session(stack: Stack, browser: Browser) -> None:
    context = browser.new_context()
    first, second = visit(stack, context), visit(stack, context)
    assert session_of(first)["sessionId"] != session_of(second)["sessionId"]
    first.expect_answering()
    assert first.ask("I am the first.")
    assert second.ask("I am the second.")
    assert "second" not in first.find("captions").inner_text()
    first.leave()
    second.leave()


def test_a_duplicated_tab_takes_over_and_both_are_told(stack: Stack, browser: Browser) -> None:
    context = browser.new_context()
    first = visit(stack, context)
    second = Visitor(context.new_page())
    second.page.add_init_script(
        f"sessionStorage.setItem('{SESSION}', {json.dumps(json.dumps(session_of(first)))})"
    )  # what a browser's "duplicate tab" copies
    second.page.goto(stack.url)
    first.expect_phase("displaced")
    first.expect_notice("displaced")
    second.expect_answering()
    second.expect_notice("took_over")
    first.page.wait_for_timeout(5000)  # long enough for a reconnection nobody asked for
    first.expect_phase("displaced")
    expect(first.find("reconnect")).to_have_text("Use here")
    first.find("reconnect").click()
    first.expect_answering()
    second.expect_phase("displaced")
    assert first.ask("It is me again.")
    first.leave()
