"""The page in the browser's language, and in another one that is chosen."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import chromium
from tests.support.eventually import PATIENCE, eventually
from voice_agent.stack.ports import free_port


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def page_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page of a server without Letta: it has a problem to tell."""
    port = free_port()
    order = [sys.executable, "-m", "tests.support.bare_server", str(port), str(tmp_path_factory.mktemp("home"))]
    server = subprocess.Popen(order)
    url = f"http://127.0.0.1:{port}"
    try:
        assert eventually(lambda: answers(url), bool, within=PATIENCE)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=PATIENCE)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def opened(browser: Browser, url: str, locale: str) -> Page:
    page = browser.new_context(locale=locale, viewport={"width": 1100, "height": 700}).new_page()
    page.goto(url)
    return page


@pytest.mark.parametrize(
    ("locale", "title"),
    [
        ("es-MX", "¿Con quién te gustaría hablar?"),
        ("fr-FR", "À qui aimeriez-vous parler ?"),
        ("de-DE", "Who would you like to talk to?"),
    ],
)
def test_the_page_speaks_the_browsers_language(browser: Browser, page_url: str, locale: str, title: str) -> None:
    page = opened(browser, page_url, locale)
    expect(page.locator("#pick-title")).to_have_text(title)


def test_another_language_can_be_chosen_and_stays(browser: Browser, page_url: str, tmp_path: Path) -> None:
    page = opened(browser, page_url, "en-US")
    page.get_by_test_id("language").select_option("es")
    expect(page.locator("#pick-title")).to_have_text("¿Con quién te gustaría hablar?")
    expect(page.get_by_test_id("connect")).to_have_text("Hablar")
    expect(page.get_by_test_id("search")).to_have_attribute("placeholder", "Buscar")
    assert page.evaluate("document.documentElement.lang") == "es"
    page.get_by_test_id("create").click()
    expect(page.get_by_test_id("editor-save")).to_have_text("Guardar")
    (tmp_path / "spanish.png").write_bytes(page.screenshot())
    page.reload()
    expect(page.locator("#pick-title")).to_have_text("¿Con quién te gustaría hablar?")
    (tmp_path / "spanish-list.png").write_bytes(page.screenshot())
