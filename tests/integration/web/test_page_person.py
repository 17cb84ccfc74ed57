"""Who uses the page, in a real Chromium: the name, two people on one browser, export, deletion, signing in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.axe import violations
from tests.support.browser import chromium
from tests.support.control_plane import serving
from tests.support.letta_directory import LettaDirectoryServer
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET, running_provider
from tests.support.stack import REPOSITORY
from voice_agent.memory.facts.fact import Fact
from voice_agent.memory.facts.store import FactStore
from voice_agent.settings import Settings
from voice_agent.storage import Database

STUB = (Path(__file__).parent / "livekit_stub.mjs").read_text()
ADMIN = "an-admin-secret-for-tests"
PICTURES = REPOSITORY / "build" / "screenshots" / "person"
PHONE = {"width": 390, "height": 844}


@contextmanager
def served(settings: Settings) -> Iterator[tuple[str, Browser]]:
    with serving(settings) as base, chromium() as browser:
        yield base, browser


def opened(browser: Browser, base: str, scheme: str = "light", size: dict[str, int] = PHONE) -> Page:
    context = browser.new_context(base_url=base, viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
    return another_tab(context)


def another_tab(context: BrowserContext) -> Page:
    page = context.new_page()
    page.route("**/vendor/**", lambda route: route.fulfill(body=STUB, content_type="text/javascript"))
    page.goto("/")
    expect(page.get_by_test_id("you")).to_be_visible()
    return page


def key_of(page: Page) -> str | None:
    kept: str | None = page.evaluate("() => JSON.parse(localStorage.getItem('voice-agent.browser-key'))")
    return kept


def name_in(page: Page, name: str) -> None:
    page.get_by_test_id("name-answer").fill(name)
    page.get_by_test_id("name-save").click()
    expect(page.get_by_test_id("you")).to_have_text(f"I'm {name}")


def talks(page: Page, agent: str = "agent-1") -> None:
    page.get_by_test_id(f"agent-card-{agent}").click()
    page.get_by_test_id("connect").click()
    expect(page.locator("body")).to_have_attribute("data-phase", "live")


@pytest.fixture
def public(control_settings: Settings, letta: LettaDirectoryServer) -> Settings:
    return control_settings.model_copy(update={"admin_secret": ADMIN, "sessions_per_minute": 60})


def test_the_name_is_asked_once_and_known_everywhere(public: Settings) -> None:
    with served(public) as (base, browser):
        page = opened(browser, base)
        ask = page.get_by_test_id("name-ask")
        expect(ask).to_be_visible()
        assert violations(page, public.cache) == []
        page.get_by_test_id("name-answer").fill("<b>")
        page.get_by_test_id("name-save").click()
        expect(page.locator("#name-trouble")).to_contain_text("A name has letters")
        name_in(page, "Anna")
        expect(ask).to_be_hidden()
        other = another_tab(page.context)
        expect(other.get_by_test_id("you")).to_have_text("I'm Anna")
        expect(other.get_by_test_id("name-ask")).to_be_hidden()
        with other.expect_response("**/session") as answer:
            talks(other, "agent-2")
        assert answer.value.json()["person"]["kind"] == "browser"
        assert answer.value.json()["browser_key"] is None, "the key that the name is kept with"
        other.get_by_test_id("you").click()
        other.get_by_test_id("you-name-field").fill("Nan")
        other.get_by_test_id("you-save").click()
        expect(other.get_by_test_id("you")).to_have_text("I'm Nan")
        page.reload()
        expect(page.get_by_test_id("you")).to_have_text("I'm Nan")


def test_the_question_can_be_skipped(public: Settings) -> None:
    with served(public) as (base, browser):
        page = opened(browser, base)
        page.get_by_test_id("name-skip").click()
        expect(page.get_by_test_id("name-ask")).to_be_hidden()
        page.reload()
        expect(page.get_by_test_id("you")).to_have_text("You")
        expect(page.get_by_test_id("name-ask")).to_be_hidden()
        assert key_of(page) is None, "nobody was made for a name that was not given"


def test_two_people_on_one_browser(public: Settings) -> None:
    with served(public) as (base, browser):
        page = opened(browser, base)
        name_in(page, "Anna")
        hers = key_of(page)
        talks(page)
        page.get_by_test_id("disconnect").click()
        idle = another_tab(page.context)
        page.get_by_test_id("you").click()
        with page.expect_navigation():
            page.get_by_test_id("not-me").click()
        expect(page.locator("body")).to_have_attribute("data-phase", "idle")
        expect(page.get_by_test_id("you")).to_have_text("You")
        assert page.evaluate("() => sessionStorage.getItem('voice-agent.session')") is None
        expect(idle.get_by_test_id("you")).to_have_text("You")  # the other tab, too
        name_in(page, "Ben")
        assert key_of(page) not in (None, hers)

        page.get_by_test_id("you").click()
        expect(page.get_by_test_id("you-person")).to_have_count(2)
        assert violations(page, public.cache) == []
        with page.expect_navigation():
            page.get_by_test_id("you-use").click()
        expect(page.get_by_test_id("you")).to_have_text("I'm Anna")
        assert key_of(page) == hers

        page.get_by_test_id("you").click()
        page.get_by_test_id("you-person").filter(has_text="Ben").get_by_test_id("you-remove").click()
        expect(page.get_by_test_id("you-no")).to_be_focused()
        with page.expect_response("**/people/me/key") as revoked:
            page.get_by_test_id("you-yes").click()
        assert revoked.value.status == 204
        expect(page.get_by_test_id("you-person")).to_have_count(1)
        page.get_by_test_id("you-remove").click()
        with page.expect_navigation():
            page.get_by_test_id("you-yes").click()
        assert key_of(page) is None
        expect(page.get_by_test_id("you")).to_have_text("You")


def test_the_owner_of_the_machine_and_a_guest(control_settings: Settings, letta: LettaDirectoryServer) -> None:
    with served(control_settings) as (base, browser):
        page = opened(browser, base)
        name_in(page, "Robin")
        assert key_of(page) is None, "who uses this computer needs no key"
        page.get_by_test_id("you").click()
        with page.expect_navigation():
            page.get_by_test_id("not-me").click()
        expect(page.get_by_test_id("you")).to_have_text("You")
        assert key_of(page) is not None
        page.get_by_test_id("you").click()
        with page.expect_navigation():
            page.get_by_test_id("you-use").click()
        expect(page.get_by_test_id("you")).to_have_text("I'm Robin")
        assert key_of(page) is None


async def _knows(settings: Settings, person: str) -> None:
    database = Database(settings.effective_database_url)
    for number, text in enumerate(("The user has a dog.", "The user rides a bicycle.")):
        at = datetime(2026, 11, 2 + number, 9, 0, tzinfo=UTC)
        await FactStore(database).add(Fact(f"f{number}", f"agent-{number + 1}", person, text, at, session_id="s"))
    await database.close()


def in_thread(settings: Settings, person: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as beside:  # Playwright has a loop of its own in this thread
        beside.submit(asyncio.run, _knows(settings, person)).result()


def test_what_is_known_is_shown_corrected_exported_and_deleted(public: Settings) -> None:
    with served(public) as (base, browser):
        page = opened(browser, base)
        with page.expect_response("**/people") as made:
            name_in(page, "Anna")
        in_thread(public, made.value.json()["person_id"])
        page.get_by_test_id("you").click()
        page.get_by_test_id("you-memory").click()
        facts = page.get_by_test_id("memory-fact")
        expect(facts).to_have_count(2)
        expect(facts.first).to_contain_text("The user rides a bicycle.")
        expect(facts.first).to_contain_text("2026, in a conversation with Bert")
        facts.last.get_by_test_id("fact-correct").click()
        page.get_by_test_id("fact-text").fill("The user has a cat.")
        assert violations(page, public.cache) == []
        page.get_by_test_id("fact-save").click()
        expect(page.get_by_text("The user has a cat.", exact=True)).to_be_visible()
        expect(page.get_by_text("The user has a dog.", exact=True)).to_have_count(0)
        page.locator("#memory [data-close]").click()

        page.get_by_test_id("you").click()
        with page.expect_download() as export:
            page.get_by_test_id("you-export").click()
        document = json.loads(export.value.path().read_text())
        assert document["person"]["user_name"] == "Anna"
        assert {fact["text"] for fact in document["facts"]} >= {"The user has a cat.", "The user rides a bicycle."}
        with page.expect_download() as text:
            page.get_by_test_id("you-export-text").click()
        assert "What is kept about Anna" in text.value.path().read_text()

        page.get_by_test_id("you-delete").click()
        expect(page.get_by_test_id("you-no")).to_be_focused()
        page.get_by_test_id("you-no").click()
        page.get_by_test_id("you-delete").click()
        page.get_by_test_id("you-yes").click()
        expect(page.get_by_test_id("you-status")).to_have_text("Everything about you is deleted.", timeout=40_000)
        with page.expect_navigation():
            page.get_by_test_id("you-done").click()
        expect(page.get_by_test_id("you")).to_have_text("You")
        assert key_of(page) is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, {"width": 1280, "height": 800}], ids=["phone", "desktop"])
def test_looks(public: Settings, scheme: str, size: dict[str, int]) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    with served(public) as (base, browser):
        page = opened(browser, base, scheme, size)

        def show(name: str) -> None:
            page.screenshot(path=PICTURES / f"{name}-{scheme}-{size['width']}.png")
            assert violations(page, public.cache) == [], name
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

        show("1-ask")
        name_in(page, "Anna")
        page.get_by_test_id("you").click()
        expect(page.get_by_test_id("you-person")).to_be_visible()
        show("2-you")
        page.get_by_test_id("you-delete").click()
        show("3-delete")


def test_signing_in_and_out(control_settings: Settings, letta: LettaDirectoryServer) -> None:
    with running_provider() as provider:
        more = {"oidc_issuer": provider.issuer, "oidc_client_id": CLIENT_ID, "oidc_client_secret": CLIENT_SECRET}
        with served(control_settings.model_copy(update=more)) as (base, browser):
            page = opened(browser, base)
            page.get_by_test_id("you").click()
            page.get_by_test_id("sign-in").click()
            expect(page.get_by_test_id("you")).to_have_text("I'm Anna")
            with page.expect_response("**/session") as answer:
                talks(page)
            assert answer.value.json()["person"]["kind"] == "user"
            page.get_by_test_id("disconnect").click()
            page.get_by_test_id("you").click()
            assert violations(page, control_settings.cache) == []
            with page.expect_navigation():
                page.get_by_test_id("sign-out").click()
            expect(page.get_by_test_id("you")).to_have_text("You")
            provider.tell(mistake="nonce")
            page.get_by_test_id("you").click()
            page.get_by_test_id("sign-in").click()
            told = page.locator("[data-testid=notice][data-code=sign_in_failed]")
            expect(told).to_contain_text("You are not signed in.")
            expect(told).to_contain_text("Its answer does not count.")
            assert "sign_in=" not in page.url
