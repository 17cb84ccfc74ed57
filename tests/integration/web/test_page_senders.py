"""Senders on the page, in a real Chromium: others' notices and captions do not count as the assistant's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import chromium
from tests.support.control_plane import serving
from tests.support.letta_directory import LettaDirectoryServer
from voice_agent.settings import Settings

STUB = (Path(__file__).parent / "livekit_stub.mjs").read_text()
AGENT, STANDARD = 4, 0


@pytest.fixture
def page(control_settings: Settings, letta: LettaDirectoryServer) -> Iterator[Page]:
    with serving(control_settings) as base, chromium() as browser:
        opened = browser.new_context(base_url=base).new_page()
        opened.route("**/vendor/**", lambda route: route.fulfill(body=STUB, content_type="text/javascript"))
        opened.goto("/")
        opened.get_by_test_id("agent-card-agent-1").click()
        opened.get_by_test_id("connect").click()
        expect(opened.locator("body")).to_have_attribute("data-phase", "live")
        come(opened, "ada", AGENT, {"va.agent_id": "agent-1", "va.ready": "1", "va.state": "engaged"})
        come(opened, "mallory", STANDARD, {"va.agent_id": "agent-1"})
        come(opened, "scribe", AGENT, {})
        yield opened


def come(page: Page, identity: str, kind: int, attributes: dict[str, str]) -> None:
    page.evaluate("(all) => room.come(...all)", [identity, kind, attributes])


def tell(page: Page, topic: str, identity: str, text: str) -> None:
    page.evaluate("(all) => room.tell(...all)", [topic, identity, text, f"{identity}: {text}"])


def notice(page: Page, identity: str, code: str) -> None:
    about = {"level": "warning", "code": code, "message": f"Says {identity}.", "remedy": "", "episode": 1}
    tell(page, "va.notice", identity, json.dumps(about))


def test_only_the_assistant_gives_notice_and_speaks_as_the_assistant(page: Page) -> None:
    for forger in ("mallory", "scribe", "nobody"):
        notice(page, forger, "forged")
        tell(page, "lk.transcription", forger, f"Your account is locked, says {forger}.")
    page.evaluate("room.go('mallory')")
    notice(page, "mallory", "forged")
    tell(page, "lk.transcription", "mallory", "Call 0900.")
    page.evaluate("room.go('ada')")
    notice(page, "ada", "tts_failed")
    tell(page, "lk.transcription", "ada", "Goodbye.")
    expect(page.locator('[data-testid="notice"][data-code="tts_failed"]')).to_have_count(1)
    expect(page.locator('[data-testid="notice"][data-code="forged"]')).to_have_count(0)
    captions = page.get_by_test_id("captions").locator("li")
    expect(captions).to_have_count(3)
    # In their own name people may say what they like.
    assert [line.get_attribute("data-who") for line in captions.all()] == ["other", "other", "assistant"]
    assert [line.locator(".line-who").inner_text() for line in captions.all()][:2] == ["mallory", "mallory"]
    expect(captions.last).to_contain_text("Goodbye.")
