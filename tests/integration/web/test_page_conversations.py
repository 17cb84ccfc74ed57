"""Past conversations on the page, in a real Chromium, with our own server and a stub of livekit-client."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import select, update

from tests.support.axe import violations
from tests.support.browser import chromium
from tests.support.control_plane import serving
from tests.support.letta_directory import LettaDirectoryServer
from voice_agent.contracts import Role
from voice_agent.memory.model import Turn
from voice_agent.memory.outbox import Outbox
from voice_agent.memory.tables import turns
from voice_agent.registry.model import Agent, Kind, Person
from voice_agent.registry.sessions import SessionRegistry
from voice_agent.registry.store import SqlSessionStore
from voice_agent.registry.tables import sessions
from voice_agent.settings import Settings
from voice_agent.storage import Database, upgrade

STUB = (Path(__file__).parent / "livekit_stub.mjs").read_text()
MARKUP = "My dog is called <img src=x onerror=alert(1)>."
ADA = Agent("agent-1", Kind.LETTA, "Ada", "", "agent-1")
BERT = Agent("agent-2", Kind.LETTA, "Bert", "", "agent-2")


async def _talked(database: Database, agent: Agent, days_ago: float, *lines: str) -> None:
    """A session of the owner in whose room nobody is any more."""
    registry = SessionRegistry(SqlSessionStore(database), time.time, 3600.0)
    drafted = registry.draft(agent, Person(Role.GENERAL), {}, f"room-{agent.id}-{days_ago}")
    session = replace(drafted.session, person_id="owner")
    await registry.store(session)
    await _said(database, session.id, agent.id, days_ago, *lines)


async def _said(database: Database, session_id: str, agent: str, days_ago: float, *lines: str) -> None:
    outbox = Outbox(database)
    for number, words in enumerate(lines):
        turn_id = f"{session_id}-{number}"
        await outbox.open_turn(Turn(turn_id, f"thread-{session_id}", session_id, agent, 1, words, person_id="owner"))
        await outbox.finish_turn(turn_id, f"I heard: {words}", interrupted=False)
        at = datetime.now(UTC) - timedelta(days=days_ago) + timedelta(minutes=number)
        async with database.begin() as connection:
            await connection.execute(update(turns).where(turns.c.turn_id == turn_id).values(created_at=at))


async def _filled(settings: Settings) -> None:
    database = Database(settings.effective_database_url)
    await upgrade(database)
    await _talked(database, BERT, 40.0, "I sail.")
    await _talked(database, ADA, 1.0, MARKUP, "It is brown.", "Bye.")
    await database.close()


async def _in_last_session(settings: Settings, *lines: str) -> None:
    """In the session that was opened last somebody says these."""
    database = Database(settings.effective_database_url)
    async with database.read() as connection:
        newest = select(sessions.c.id).order_by(sessions.c.created_at.desc()).limit(1)
        session_id = str(await connection.scalar(newest))
    await _said(database, session_id, "agent-1", 0.0, *lines)
    await database.close()


def aside(work: Coroutine[Any, Any, None]) -> None:
    """Playwright has a loop of its own in this thread."""
    with ThreadPoolExecutor(1) as beside:
        beside.submit(asyncio.run, work).result()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def context(control_settings: Settings, letta: LettaDirectoryServer, browser: Browser) -> Iterator[BrowserContext]:
    aside(_filled(control_settings))
    with serving(control_settings) as base:
        opened = browser.new_context(viewport={"width": 390, "height": 844}, base_url=base)
        opened.route("**/vendor/**", lambda route: route.fulfill(body=STUB, content_type="text/javascript"))
        yield opened
        opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def expect_phase(page: Page, phase: str) -> None:
    expect(page.locator("body")).to_have_attribute("data-phase", phase)


def call(page: Page) -> None:
    page.get_by_test_id("agent-card-agent-1").click()
    page.get_by_test_id("connect").click()
    expect_phase(page, "live")


def path(page: Page) -> str:
    return str(page.evaluate("location.pathname"))


def test_the_list_by_day_is_searched_and_read(page: Page, control_settings: Settings) -> None:
    page.goto("/")
    page.get_by_test_id("open-conversations").click()
    expect(page).to_have_url(re.compile(r"/conversations$"))
    entries = page.get_by_test_id("conversation")
    expect(entries).to_have_count(2)
    expect(page.locator("#past-days h2").first).to_have_text("Yesterday")
    expect(entries.first).to_contain_text("Ada")
    expect(entries.first).to_contain_text(MARKUP)
    expect(entries.first).to_contain_text("3 questions · 2 min")
    assert violations(page, control_settings.cache) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    page.get_by_test_id("past-search").fill("heard SAIL")
    expect(entries).to_have_count(1)
    expect(entries.first).to_contain_text("Bert")
    page.get_by_test_id("past-search").fill("nothing of the kind")
    expect(page.get_by_test_id("past-empty")).to_have_text("No conversation has these words.")
    page.get_by_test_id("past-search").fill("brown")
    expect(entries.first).to_contain_text("It is brown.")

    entries.first.click()
    expect(page.locator("#past-name")).to_have_text("Ada")
    expect(page.locator("#past-name")).to_be_focused()
    lines = page.locator("#past-lines .line-text")
    expect(lines).to_have_count(6)
    expect(lines.first).to_have_text(MARKUP)
    assert page.locator("img").count() == 0, "what was said is text"
    assert violations(page, control_settings.cache) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    address = page.url
    page.go_back()
    expect(entries.first).to_be_visible()
    page.goto(address)
    expect(lines).to_have_count(6)
    page.goto("/conversations/unknown")
    expect(page.get_by_test_id("past-gone")).to_be_visible()


def test_download_and_delete(page: Page) -> None:
    page.goto("/conversations")
    page.get_by_test_id("conversation").first.click()
    with page.expect_download() as text:
        page.get_by_test_id("past-text").click()
    assert text.value.suggested_filename.endswith(".txt")
    assert f"You: {MARKUP}" in text.value.path().read_text()
    with page.expect_download() as json:
        page.get_by_test_id("past-json").click()
    assert '"text": "It is brown."' in json.value.path().read_text()

    page.get_by_test_id("past-delete").click()
    expect(page.get_by_test_id("past-question")).to_contain_text("What Ada learned from it is forgotten, too.")
    expect(page.get_by_test_id("past-keep")).to_be_focused()
    page.get_by_test_id("past-keep").click()
    expect(page.get_by_test_id("past-delete")).to_be_focused()
    page.get_by_test_id("past-delete").click()
    page.get_by_test_id("past-delete-yes").click()
    expect(page).to_have_url(re.compile(r"/conversations$"))
    expect(page.get_by_test_id("conversation")).to_have_count(1)
    page.reload()
    expect(page.get_by_test_id("conversation")).to_have_count(1)


def test_a_conversation_is_continued_in_its_own_address(page: Page) -> None:
    page.goto("/conversations")
    page.get_by_test_id("conversation").first.click()
    with page.expect_request("**/session") as asked:
        page.get_by_test_id("past-continue").click()
    body = asked.value.post_data_json
    assert set(body or {}) == {"agent_id", "token_ttl", "session_id"}, "its own person needs no secret"
    expect_phase(page, "live")
    assert path(page) == "/talk/agent-1"
    expect(page.get_by_test_id("captions")).to_contain_text("It is brown.")


def test_back_asks_in_a_call_and_comes_back_to_the_list(page: Page, control_settings: Settings) -> None:
    page.goto("/")
    call(page)
    assert path(page) == "/talk/agent-1"
    page.go_back()
    question = page.get_by_test_id("leave-question")
    expect(question).to_be_visible()
    expect(page.get_by_test_id("leave-no")).to_be_focused()
    assert violations(page, control_settings.cache) == []
    page.get_by_test_id("leave-no").click()
    expect_phase(page, "live")
    assert path(page) == "/talk/agent-1"
    page.go_back()
    page.get_by_test_id("leave-yes").click()
    expect_phase(page, "idle")
    expect(page).to_have_url(re.compile(r":\d+/$"))
    page.go_forward()
    expect(page).to_have_url(re.compile(r"/talk/agent-1$"))
    expect(page.locator("input[value=agent-1]")).to_be_checked()
    expect_phase(page, "idle")


def test_back_from_a_call_that_was_left_shows_what_was_there(page: Page) -> None:
    page.goto("/conversations")
    page.get_by_test_id("past-home").click()
    call(page)
    page.get_by_test_id("disconnect").click()
    expect_phase(page, "left")
    page.go_back()
    expect_phase(page, "idle")
    assert path(page) == "/"
    call(page)
    page.get_by_test_id("disconnect").click()
    page.get_by_test_id("choose-another").click()
    expect_phase(page, "idle")
    assert path(page) == "/"
    expect(page.get_by_test_id("open-conversation")).to_be_hidden()


def test_an_address_opens_an_assistant_and_no_microphone(page: Page) -> None:
    page.goto("/talk/bert")
    expect(page.locator("input[value=agent-2]")).to_be_checked()
    expect(page.get_by_test_id("connect")).to_be_focused()
    expect_phase(page, "idle")
    page.goto("/talk/nobody")
    expect(page.locator("[data-code=no_such_assistant]")).to_be_visible()


def test_a_closed_tab_loses_nothing(context: BrowserContext, control_settings: Settings) -> None:
    page = context.new_page()
    page.goto("/")
    call(page)
    aside(_in_last_session(control_settings, "My cat is called Pepper."))
    beside = context.new_page()
    beside.goto("/")
    expect(beside.get_by_test_id("agent-card-agent-1")).to_be_visible()
    beside.wait_for_timeout(2500)  # two looks: the call is still open in the other tab
    expect(beside.get_by_test_id("open-conversation")).to_be_hidden()
    page.close(run_before_unload=True)
    opened = beside.get_by_test_id("open-conversation")
    expect(opened).to_be_visible()
    expect(opened).to_contain_text("You were talking with Ada")
    expect(opened).to_contain_text("My cat is called Pepper.")
    assert violations(beside, control_settings.cache) == []
    beside.close()

    again = context.new_page()
    again.goto("/")
    with again.expect_response("**/session") as answer:
        again.get_by_test_id("open-continue").click()
    assert answer.value.json()["resumed"], "the session is still valid"
    expect_phase(again, "live")
    expect(again.get_by_test_id("captions")).to_contain_text("My cat is called Pepper.")
    again.close(run_before_unload=True)

    last = context.new_page()
    last.goto("/")
    last.get_by_test_id("open-done").click()
    expect(last.get_by_test_id("open-conversation")).to_be_hidden()
    last.reload()
    expect(last.get_by_test_id("agent-card-agent-1")).to_be_visible()
    last.wait_for_timeout(1500)  # one look more than it needs
    expect(last.get_by_test_id("open-conversation")).to_be_hidden()
