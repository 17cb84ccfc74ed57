"""A new assistant in three fields: its own memory, its voice heard before it is saved, and nothing typed is lost."""

from __future__ import annotations

import io
import secrets
import wave
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.support.browser import Visitor, chromium
from tests.support.eventually import PATIENCE, eventually
from tests.support.scripted_llm import Rule
from tests.support.stack import Stack
from voice_agent.memory.own_agent import MADE_TAG, made_for


@pytest.fixture
def page(stack: Stack) -> Iterator[Page]:
    with chromium() as browser:
        page = browser.new_context().new_page()
        opened(page, stack)
        yield page


@pytest.fixture
def made(stack: Stack) -> Iterator[str]:
    """Name of an assistant that is made; it and its memory are gone afterwards."""
    name = f"Luna {secrets.token_hex(3)}"
    yield name
    for agent in saved(stack):
        if agent["name"].startswith(name):
            answer = httpx.delete(f"{stack.url}/agents/{agent['id']}?memory=delete", trust_env=False, timeout=60)
            assert answer.status_code in (204, 409), answer.text


def opened(page: Page, stack: Stack) -> None:
    page.goto(stack.url)
    expect(page.locator("[data-testid=agents]")).to_have_attribute("aria-busy", "false")


def saved(stack: Stack) -> list[dict[str, Any]]:
    listed = httpx.get(f"{stack.url}/agents", trust_env=False, timeout=30).json()["agents"]
    return [agent for agent in listed if agent["kind"] == "saved"]


def editor(page: Page) -> Locator:
    return page.locator("[data-testid=editor]")


def find(page: Page, test_id: str) -> Locator:
    return page.locator(f"[data-testid='{test_id}']")


def begin(page: Page, name: str = "") -> Locator:
    find(page, "create").click()
    dialog = editor(page)
    expect(dialog.locator("[name=name]")).to_be_focused()
    expect(dialog.locator("select[name=voice]")).to_be_visible()
    if name:
        dialog.locator("[name=name]").fill(name)
    return dialog


def card(page: Page, name: str) -> Locator:
    return page.locator("[data-testid=agents] .card-place", has_text=name)


def made_agents(stack: Stack, assistant: str) -> list[dict[str, Any]]:
    """In Letta, past our code."""
    found = stack.letta("GET", "/v1/agents/", params={"tags": MADE_TAG, "limit": 100, "include": "agent.tags"})
    return [agent for agent in found if made_for(agent["tags"]) == assistant]


def test_three_fields_make_an_assistant_that_remembers_in_its_own_memory(stack: Stack, page: Page, made: str) -> None:
    dialog = begin(page, made)
    asked = dialog.locator("input:visible, select:visible, textarea:visible")
    assert asked.evaluate_all("all => all.map(one => one.name)") == ["name", "description", "voice"]
    dialog.locator("[name=description]").fill("Teach me the names of the stars.\nOne at a time.")
    dialog.locator("[name=voice]").select_option("bf_emma")
    find(page, "editor-save").click()
    expect(dialog).to_be_hidden()
    expect(card(page, made)).to_have_count(1)
    expect(card(page, made).locator("input")).to_be_focused()

    [agent] = [one for one in saved(stack) if one["name"] == made]
    assert agent["own_memory"]
    [own] = made_agents(stack, agent["id"])
    assert own["id"] == agent["letta_agent_id"]
    blocks = stack.letta("GET", f"/v1/agents/{own['id']}/core-memory/blocks")
    assert {block["label"]: block["value"] for block in blocks} == {
        "persona": f"I am {made}.",
        "task": "Teach me the names of the stars.\nOne at a time.",
        "human": "",
    }
    config = httpx.get(f"{stack.url}/agents/{agent['id']}", trust_env=False).json()["config"]
    assert config["providers"] == {"tts": {"voice": "bf_emma"}}
    assert config["memory_scope"] == "personal"

    stack.llm.script(Rule(user="Tornado", reply="How nice."))
    visitor = Visitor(page)
    find(page, f"talk-{agent['id']}").click()
    visitor.expect_answering()
    visitor.ask("My bicycle is called Tornado.")
    visitor.leave()
    visitor.find("choose-another").click()
    expect(card(page, made)).to_be_visible()

    def knows() -> str:
        page.evaluate("window.dispatchEvent(new Event('focus'))")
        memory = card(page, made).locator("[data-testid=card-memory]")
        return memory.inner_text() if memory.count() else ""

    assert eventually(knows, bool, within=PATIENCE) == "Knows 1 thing about you"
    assert "Tornado" not in page.locator("[data-testid=agents]").inner_text()


def test_a_voice_is_heard_before_it_is_chosen(page: Page) -> None:
    dialog = begin(page)
    voice = dialog.locator("[name=voice]")
    assert voice.locator("optgroup").first.get_attribute("label") == "American English"
    voice.select_option("bm_george")
    listen = find(page, "voice-listen")
    wavs: list[bytes] = []

    def keep(route: Route) -> None:
        answer = route.fetch(timeout=PATIENCE * 1000)
        if answer.ok:
            wavs.append(answer.body())
        route.fulfill(response=answer)

    page.route("**/voices/bm_george/preview", keep)
    hear(listen)
    [wav] = wavs
    with wave.open(io.BytesIO(wav)) as sound:
        heard = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(float)
        seconds = sound.getnframes() / sound.getframerate()
    assert 1 < seconds < 10
    assert np.sqrt(np.mean(heard**2)) > 300, "it is not silence"
    expect(listen).to_have_text("Listen", timeout=PATIENCE * 1000)  # it ends by itself
    voice.select_option("")
    hear(listen)
    listen.click()
    expect(listen).to_have_text("Listen")


def hear(listen: Locator) -> None:
    """Presses again where the local models are busy: they yield to conversations, and the system has just started."""

    def pressed() -> bool:
        if listen.inner_text() == "Listen":
            listen.click()
        return listen.inner_text() == "Stop"

    assert eventually(pressed, bool, within=PATIENCE)


def test_a_voice_that_does_not_speak_is_told_beside_it(page: Page) -> None:
    error = {"error": {"code": "model_busy", "message": "A conversation needs the voice now.", "remedy": "Try again."}}
    page.route("**/preview", lambda route: route.fulfill(status=503, json=error))
    begin(page)
    find(page, "voice-listen").click()
    expect(find(page, "voice-note")).to_have_text("A conversation needs the voice now. Try again.")
    expect(find(page, "voice-listen")).to_have_text("Listen")


def test_an_unknown_voice_is_refused_beside_its_field_and_nothing_is_lost(stack: Stack, page: Page, made: str) -> None:
    page.route("**/voices", lambda route: route.fulfill(json={"voices": [], "complete": False, "default": ""}))
    find(page, "create").click()
    dialog = editor(page)
    dialog.locator("[name=name]").fill(made)
    dialog.locator("[name=voice]").fill("zeus")
    find(page, "editor-save").click()
    note = find(page, "voice-note")
    expect(note).to_contain_text("There is no voice 'zeus'")
    expect(note).to_contain_text("af_heart")
    expect(dialog.locator("[name=voice]")).to_be_focused()
    expect(dialog.locator("[name=name]")).to_have_value(made)
    assert not [one for one in saved(stack) if one["name"] == made]
    dialog.locator("[name=voice]").fill("af_bella")
    expect(note).to_be_hidden()
    find(page, "editor-save").click()
    expect(dialog).to_be_hidden()
    expect(card(page, made)).to_have_count(1)


def test_escape_asks_before_something_typed_is_lost(page: Page) -> None:
    dialog = begin(page)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(find(page, "create")).to_be_focused()

    begin(page, "Somebody")
    message = find(page, "editor-message")
    page.keyboard.press("Escape")
    expect(message).to_contain_text("Your changes are not saved.")
    expect(find(page, "editor-keep")).to_be_focused()
    page.keyboard.press("Escape")
    expect(message).to_be_hidden()
    expect(dialog.locator("[name=name]")).to_have_value("Somebody")
    find(page, "editor-cancel").click()
    find(page, "editor-keep").click()
    expect(dialog.locator("[name=name]")).to_be_focused()
    find(page, "editor-cancel").click()
    find(page, "editor-discard").click()
    expect(dialog).to_be_hidden()
    expect(find(page, "create")).to_be_focused()


def test_a_lost_answer_makes_no_second_assistant(stack: Stack, page: Page, made: str) -> None:
    dialog = begin(page, made)
    lost: list[int] = []

    def lose(route: Route) -> None:
        lost.append(route.fetch().status)
        route.abort()

    page.route("**/agents", lose, times=1)
    find(page, "editor-save").click()
    expect(find(page, "editor-message")).to_contain_text("The server did not answer.")
    assert lost == [201]
    find(page, "editor-save").click()
    expect(dialog).to_be_hidden()
    [agent] = [one for one in saved(stack) if one["name"] == made]
    assert len(made_agents(stack, agent["id"])) == 1


@pytest.mark.parametrize("too", [False, True])
def test_deleting_asks_about_the_memory(stack: Stack, page: Page, made: str, too: bool) -> None:
    begin(page, made)
    find(page, "editor-save").click()
    expect(card(page, made)).to_have_count(1)
    [agent] = [one for one in saved(stack) if one["name"] == made]
    card(page, made).locator(".card-edit").click()
    expect(editor(page).locator("[name=name]")).to_have_value(made)
    find(page, "editor-delete").click()
    expect(find(page, "editor-message")).to_contain_text(f"Delete {made}?")
    expect(find(page, "editor-keep")).to_be_focused()
    forget = find(page, "editor-forget")
    expect(forget).not_to_be_checked()
    if too:
        forget.check()
    find(page, "editor-delete-yes").click()
    expect(editor(page)).to_be_hidden()
    expect(page.locator("[data-testid=agents] input:checked")).to_be_focused()
    assert len(made_agents(stack, agent["id"])) == (0 if too else 1)
    expect(card(page, made)).to_have_count(0 if too else 1)  # what was kept is one of Letta's own
    if not too:
        stack.letta("DELETE", f"/v1/agents/{agent['letta_agent_id']}")


def test_a_copy_shares_the_memory_and_says_so(stack: Stack, page: Page, made: str) -> None:
    rosa = next(one for one in listed(stack) if one["name"] == "Rosa" and one["kind"] == "letta")
    copy = find(page, f"agent-edit-{rosa['id']}")
    expect(copy).to_have_text("Copy Rosa")
    copy.click()
    dialog = editor(page)
    expect(dialog.locator("[name=name]")).to_have_value("Rosa (copy)")
    expect(dialog.locator("[name=letta_agent_id]")).to_be_visible()
    assert dialog.locator("[name=letta_agent_id] option:checked").inner_text() == "Rosa"
    dialog.locator("[name=name]").fill(made)
    find(page, "editor-save").click()
    expect(dialog).to_be_hidden()
    [agent] = [one for one in saved(stack) if one["name"] == made]
    assert (agent["letta_agent_id"], agent["own_memory"]) == (rosa["id"], False)
    card(page, made).locator(".card-edit").click()
    expect(dialog.locator("[name=name]")).to_have_value(made)
    find(page, "editor-delete").click()
    expect(find(page, "editor-message")).to_contain_text("The memory that it shares is kept.")
    find(page, "editor-delete-yes").click()
    expect(card(page, made)).to_have_count(0)
    assert stack.letta("GET", f"/v1/agents/{rosa['id']}")["name"] == "Rosa"


def listed(stack: Stack) -> list[dict[str, Any]]:
    agents: list[dict[str, Any]] = httpx.get(f"{stack.url}/agents", trust_env=False, timeout=30).json()["agents"]
    return agents


def test_the_list_of_another_tab_is_up_to_date_when_it_is_looked_at(stack: Stack, page: Page, made: str) -> None:
    other = page.context.new_page()
    opened(other, stack)
    begin(other, made)
    find(other, "editor-save").click()
    expect(card(other, made)).to_have_count(1)
    expect(card(page, made)).to_have_count(0)
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(card(page, made)).to_have_count(1)
