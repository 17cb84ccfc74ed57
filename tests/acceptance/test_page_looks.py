"""Every state of the page, light and dark, phone and desktop: a picture for `build/screenshots`, and no finding of axe.

The pictures in docs/screenshots are reviewed copies of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, ViewportSize, expect

from tests.support.axe import violations
from tests.support.browser import Visitor, chromium
from tests.support.scripted_llm import Rule
from tests.support.stack import REPOSITORY, Stack

PICTURES = REPOSITORY / "build" / "screenshots"
SIZES: dict[str, ViewportSize] = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 800}}
LOOKS = [(size, scheme) for size in SIZES for scheme in ("light", "dark")]

Show = Callable[[str], None]


@pytest.fixture(params=LOOKS, ids=lambda look: "-".join(look))
def context(request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    size, scheme = request.param
    with chromium() as browser:
        yield browser.new_context(viewport=SIZES[size], color_scheme=scheme, reduced_motion="reduce")


@pytest.fixture
def show(request: pytest.FixtureRequest, context: BrowserContext, stack: Stack) -> Show:
    """Takes the picture of a state and asks axe about it."""
    folder = PICTURES / request.node.callspec.id
    folder.mkdir(parents=True, exist_ok=True)

    def take(name: str, page: Page | None = None) -> None:
        page = page or context.pages[0]
        page.screenshot(path=folder / f"{name}.png")
        assert violations(page, stack.settings.cache) == [], name

    return take


def first_agent(stack: Stack, name: str = "Juniper") -> str:
    agents = httpx.get(f"{stack.url}/agents", trust_env=False, timeout=30).json()["agents"]
    return str(next(agent["id"] for agent in agents if agent["name"] == name))


def test_every_state(stack: Stack, context: BrowserContext, show: Show) -> None:
    page = context.new_page()
    visitor = Visitor(page)
    page.goto(stack.url)
    visitor.find(f"agent-card-{first_agent(stack)}").click()
    show("1-pick")
    visitor.find("create").click()
    show("2-new-assistant")
    page.keyboard.press("Escape")

    visitor.find("connect").click()
    visitor.expect_phase("live")
    show("3-waiting")
    visitor.expect_answering()
    expect(visitor.answers).not_to_have_count(0, timeout=60_000)  # the greeting is over
    stack.llm.script(
        Rule(user="Lisbon", reply="You wanted to see it in May, Robin. Who will look after Pepper meanwhile?")
    )
    visitor.ask("What was my plan for Lisbon?")
    show("4-talking")
    visitor.find("mute").click()
    expect(visitor.find("headline")).to_have_text("You are muted", timeout=60_000)  # said when the answer is over
    show("5-muted")
    visitor.find("mute").click()
    visitor.find("sound").click()
    visitor.find("ptt").check()
    show("6-sound")
    page.keyboard.press("Escape")
    show("7-push-to-talk")
    visitor.find("sound").click()
    visitor.find("ptt").uncheck()
    page.keyboard.press("Escape")
    on_phone = visitor.find("details-toggle").is_visible()
    if on_phone:
        visitor.find("details-toggle").click()
    expect(visitor.find("timeline")).to_be_hidden()
    visitor.find("technical").locator("summary").click()
    expect(visitor.find("latency")).to_contain_text("Voice")
    show("8-details")
    visitor.find("technical").locator("summary").click()
    if on_phone:
        visitor.find("details-toggle").click()

    context.set_offline(True)
    visitor.expect_notice("offline")
    show("9-offline")
    context.set_offline(False)
    visitor.expect_answering()

    visitor.leave()
    show("10-left")
    visitor.find("reconnect").click()
    visitor.expect_answering()
    kept = page.evaluate("() => JSON.stringify(sessionStorage.getItem('voice-agent.session'))")
    other = Visitor(context.new_page())
    other.page.add_init_script(f"sessionStorage.setItem('voice-agent.session', {kept})")
    other.page.goto(stack.url)
    visitor.expect_phase("displaced")
    show("11-taken-over")
    other.expect_answering()
    other.leave()


def test_a_list_that_cannot_be_loaded(stack: Stack, context: BrowserContext, show: Show) -> None:
    page = context.new_page()
    page.route("**/agents", lambda route: route.abort())
    page.goto(stack.url)
    Visitor(page).expect_notice("server_gone")
    show("12-no-server")
    page.unroute("**/agents")  # the page tries again by itself
    expect(page.locator("[data-testid=agents] .card strong").first).to_be_visible(timeout=60_000)


def test_nothing_from_elsewhere_and_nothing_jumps(stack: Stack) -> None:
    asked: list[str] = []
    said: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    def hear(message: ConsoleMessage) -> None:
        said.append(message.text)

    with chromium() as browser:
        page = browser.new_page()
        page.on("request", note)
        page.on("console", hear)
        page.add_init_script(SHIFTS)
        visitor = Visitor(page)
        page.goto(stack.url)
        expect(page.locator("[data-testid=agents]")).to_have_attribute("aria-busy", "false")
        assert page.evaluate("() => window.__shift") < 0.05
        visitor.find(f"agent-card-{first_agent(stack)}").click()
        visitor.find("connect").click()
        visitor.expect_answering()
        visitor.ask("Hello there.")
        visitor.leave()
        assert page.evaluate("() => window.__shift") < 0.1

    ours = {urlsplit(stack.url).netloc, urlsplit(stack.settings.effective_livekit_url).netloc}
    assert {urlsplit(url).netloc for url in asked if not url.startswith(("data:", "blob:"))} <= ours
    assert not [text for text in said if "Content Security Policy" in text]


SHIFTS = """
window.__shift = 0;
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) window.__shift += one.value;
}).observe({ type: "layout-shift", buffered: true });
"""
