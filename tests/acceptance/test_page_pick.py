"""Choice of an assistant: cards, search, keyboard, names with markup, saved assistants and their conflicts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import Visitor, chromium
from tests.support.stack import Stack

HOSTILE = '<img src=x onerror="document.title=1"> & "Söhne" <script>alert(1)</script>'


@pytest.fixture
def page(stack: Stack) -> Iterator[Page]:
    with chromium() as browser:
        page = browser.new_page()
        page.goto(stack.url)
        expect(page.locator("[data-testid=agents]")).to_have_attribute("aria-busy", "false")
        yield page


@contextmanager
def saved(stack: Stack, *wanted: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """Saved assistants that are gone afterwards."""
    with httpx.Client(base_url=stack.url, trust_env=False, timeout=30) as http:
        letta = http.get("/agents").json()["agents"][-1]["letta_agent_id"]
        made: list[dict[str, Any]] = []
        try:
            for one in wanted:
                answer = http.post("/agents", json={"letta_agent_id": letta, **one})
                assert answer.status_code == 201, answer.text
                made.append(answer.json())
            yield made
        finally:
            for agent in made:
                assert http.delete(f"/agents/{agent['id']}").status_code in (204, 404)


def cards(page: Page) -> list[str]:
    return page.locator("[data-testid=agents] .card strong").all_text_contents()


def test_everybody_is_on_a_card_and_somebody_is_chosen(page: Page) -> None:
    assert {"Juniper", "Marlow", "Rosa"} <= set(cards(page))
    expect(page.locator("[data-testid=agents] input:checked")).to_have_count(1)
    expect(page.locator("[data-testid=connect]")).to_be_enabled()


def test_search_finds_by_name_and_description(page: Page) -> None:
    search = page.locator("[data-testid=search]")
    search.fill("restaurant front")
    assert "Rosa" in cards(page)
    assert "Juniper" not in cards(page)
    search.fill("nobody is called so")
    expect(page.locator("[data-testid=empty]")).to_have_text("Nobody matches your search.")
    expect(page.locator("[data-testid=connect]")).to_be_disabled()


def test_keyboard_alone_reaches_a_call(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("marlow")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    visitor = Visitor(page)
    expect(visitor.find("agent-name")).to_have_text("Marlow")
    visitor.expect_phase("live")
    expect(visitor.find("message")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    visitor.expect_phase("live")  # nobody hangs up by a key that was pressed for something else
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("m")
    expect(visitor.find("mute")).to_have_attribute("aria-pressed", "true")
    visitor.find("disconnect").focus()
    page.keyboard.press("Enter")
    visitor.expect_phase("left")
    expect(visitor.find("reconnect")).to_be_focused()
    visitor.find("choose-another").click()
    assert cards(page)[0] == "Marlow"  # last used first


def test_a_name_with_html_is_text(stack: Stack, page: Page) -> None:
    with saved(stack, {"name": HOSTILE, "description": HOSTILE}) as [agent]:
        page.reload()
        card = page.locator(f"[data-testid='agent-card-{agent['id']}']")
        expect(card.locator("strong")).to_have_text(agent["name"])
        assert card.locator("img, script").count() == 0
        card.click()
        page.locator("[data-testid=connect]").click()
        expect(page.locator("[data-testid=agent-name]")).to_have_text(agent["name"])
        assert page.locator("main img, main script").count() == 0
        Visitor(page).expect_phase("live")
        Visitor(page).leave()


def test_two_hundred_assistants(stack: Stack, page: Page) -> None:
    crowd = [{"name": f"Clerk {number // 2}", "description": f"Counter {number}"} for number in range(200)]
    with saved(stack, *crowd) as made:
        page.reload()
        expect(page.locator("[data-testid=agents] .card strong").nth(len(made))).to_be_attached()
        assert len(cards(page)) >= 200
        namesakes = page.locator("[data-testid=agents] .card", has_text="Clerk 7").locator("code")
        assert len(set(namesakes.all_text_contents())) == namesakes.count() > 1, "equal names are told apart"
        page.locator("[data-testid=search]").fill("counter 199")
        assert cards(page) == ["Clerk 99"]


def test_create_edit_conflict_delete(stack: Stack, page: Page) -> None:
    page.locator("[data-testid=create]").click()
    editor = page.locator("[data-testid=editor]")
    editor.locator("[name=name]").fill("Concierge")
    editor.locator("summary").click()
    editor.locator("[name=greeting]").fill("Good evening.")
    editor.locator("[name=heard_by_everyone]").fill("menu, prices")
    page.locator("[data-testid=editor-save]").click()
    expect(editor).to_be_hidden()
    card = page.locator("[data-testid=agents] .card-place", has_text="Concierge")
    expect(card.locator("input")).to_be_checked()
    agent = card.locator("input").get_attribute("value") or ""

    card.locator(".card-edit").click()
    expect(editor.locator("[name=greeting]")).to_have_value("Good evening.")
    editor.locator("summary").click()
    expect(editor.locator("[name=heard_by_everyone]")).to_have_value("menu, prices")
    change_elsewhere(stack, agent, description="Changed elsewhere")
    editor.locator("[name=greeting]").fill("Good morning.")
    page.locator("[data-testid=editor-save]").click()
    expect(page.locator("[data-testid=editor-message]")).to_contain_text("Somebody else changed this assistant")
    page.locator("[data-testid=editor-mine]").click()
    expect(editor).to_be_hidden()
    assert httpx.get(f"{stack.url}/agents/{agent}", trust_env=False).json()["config"]["greeting"] == "Good morning."

    card.locator(".card-edit").click()
    expect(editor.locator("[name=greeting]")).to_have_value("Good morning.")
    page.locator("[data-testid=editor-delete]").click()
    expect(page.locator("[data-testid=editor-message]")).to_contain_text("Delete Concierge?")
    page.locator("[data-testid=editor-forget]").check()
    page.locator("[data-testid=editor-delete-yes]").click()
    expect(card).to_have_count(0)


def change_elsewhere(stack: Stack, agent: str, **change: str) -> None:
    path = f"{stack.url}/agents/{agent}"
    now = httpx.get(path, trust_env=False)
    kept = {key: now.json()[key] for key in ("name", "description", "letta_agent_id", "role", "config")}
    answer = httpx.put(path, json=kept | change, headers={"If-Match": now.headers["etag"]}, trust_env=False)
    assert answer.status_code == 200, answer.text
