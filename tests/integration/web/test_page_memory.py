"""Memory on the page, in a real Chromium at phone size, with our own server and a stub of livekit-client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import update

from tests.support.axe import violations
from tests.support.browser import chromium
from tests.support.control_plane import serving
from tests.support.letta_directory import LettaDirectoryServer
from voice_agent.memory.facts.fact import Fact
from voice_agent.memory.facts.store import FactStore
from voice_agent.memory.model import Turn
from voice_agent.memory.outbox import Outbox
from voice_agent.memory.tables import turns
from voice_agent.settings import Settings
from voice_agent.storage import Database, upgrade

STUB = (Path(__file__).parent / "livekit_stub.mjs").read_text()
MARKUP = "The user's dog is named <img src=x onerror=alert(1)>."
AGENT = 4


async def _filled(settings: Settings) -> None:
    database = Database(settings.effective_database_url)
    await upgrade(database)
    for number, text in enumerate((MARKUP, "The user rides a bicycle.")):
        said_at = datetime(2026, 11, 2 + number, 9, 0, tzinfo=UTC)
        await FactStore(database).add(Fact(f"f{number}", "agent-1", "owner", text, said_at))
    await Outbox(database).open_turn(Turn("t9", "thread", "s9", "agent-1", 1, "I sail.", person_id="owner"))
    await FactStore(database).not_learned("t9", "no JSON", park=True)
    await database.close()


async def _learned(settings: Settings) -> None:
    database = Database(settings.effective_database_url)
    async with database.begin() as connection:
        await connection.execute(update(turns).values(learning="learned"))
    await database.close()


@pytest.fixture
def page(control_settings: Settings, letta: LettaDirectoryServer) -> Iterator[Page]:
    asyncio.run(_filled(control_settings))
    with serving(control_settings) as base, chromium() as browser:
        context = browser.new_context(viewport={"width": 390, "height": 844}, base_url=base)
        opened = context.new_page()
        opened.route("**/vendor/**", lambda route: route.fulfill(body=STUB, content_type="text/javascript"))
        opened.goto("/")
        opened.get_by_test_id("agent-card-agent-1").click()
        opened.get_by_test_id("connect").click()
        expect(opened.locator("body")).to_have_attribute("data-phase", "live")
        attributes = {"va.agent_id": "agent-1", "va.agent_name": "Ada", "va.ready": "1", "va.state": "ENGAGED"}
        opened.evaluate("([kind, attributes]) => room.come('ada', kind, attributes)", [AGENT, attributes])
        opened.evaluate("room.come('mallory', 0, {})")
        yield opened


def tell(page: Page, topic: str, identity: str, text: str, number: str) -> None:
    page.evaluate("(all) => room.tell(...all)", [topic, identity, text, number])


def test_what_an_answer_drew_on_and_what_is_known(page: Page, control_settings: Settings) -> None:
    fact = {"fact_id": "f0", "text": MARKUP, "said_at": "2026-11-02T09:00:00Z"}
    note = json.dumps({"turn_id": "t1", "facts": [fact], "untold": False})
    tell(page, "va.recall", "mallory", note.replace("dog", "cat"), "n0")
    tell(page, "lk.transcription", "ada", "Hello.", "1")
    tell(page, "va.recall", "ada", note, "n1")
    tell(page, "lk.transcription", "ada", "It is called so.", "2")
    drew = page.get_by_test_id("drew-on")
    expect(drew).to_have_text(["", f"Drew on: {MARKUP}"])  # of the assistant's own word only, and as text
    page.get_by_test_id("details-toggle").click()
    expect(page.get_by_test_id("memory-standing")).to_have_text("Not remembered yet (1)")
    assert violations(page, control_settings.cache) == []
    with ThreadPoolExecutor(1) as beside:  # Playwright has a loop of its own in this thread
        beside.submit(asyncio.run, _learned(control_settings)).result()

    page.get_by_test_id("open-memory").click()
    facts = page.get_by_test_id("memory-fact")
    expect(facts).to_have_count(2)
    expect(facts.first).to_contain_text("The user rides a bicycle.")
    assert page.locator("img").count() == 0
    assert violations(page, control_settings.cache) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    facts.first.get_by_test_id("fact-forget").click()
    expect(page.get_by_test_id("forget-no")).to_be_focused()
    assert violations(page, control_settings.cache) == []
    page.get_by_test_id("forget-no").click()
    expect(facts).to_have_count(2)
    facts.first.get_by_test_id("fact-forget").click()
    page.get_by_test_id("forget-yes").click()
    expect(facts).to_have_count(1)
    page.get_by_test_id("forget-all").click()
    page.get_by_test_id("forget-yes").click()
    expect(facts).to_have_count(0)
    expect(page.get_by_test_id("memory-sheet-standing")).to_have_text("Nothing yet.")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("memory-standing")).to_have_text("Remembered")
