"""Conversations that survive their tab: the whole system, the page in Chromium, scripted answers."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.acceptance.test_page_returns import agent_called, end_session, session_of
from tests.support.browser import Visitor, chromium
from tests.support.eventually import PATIENCE
from tests.support.stack import Stack


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def test_a_closed_tab_its_conversation_and_the_end_of_it(stack: Stack, browser: Browser) -> None:
    context = browser.new_context()
    first = Visitor(context.new_page())
    first.call(stack.url, agent_called(stack, "Juniper"))
    first.expect_answering()
    assert first.ask("Which glaciers near Zermatt are melting?")
    session = session_of(first)["sessionId"]
    first.page.close(run_before_unload=True)

    second = Visitor(context.new_page())
    second.page.goto(stack.url)
    expect(second.find("open-conversation")).to_contain_text("Which glaciers near Zermatt are melting?")
    second.find("open-continue").click()
    second.expect_answering()
    assert session_of(second)["sessionId"] == session
    where = "We were at: “Which glaciers near Zermatt are melting”."
    expect(second.find("captions")).to_contain_text(where, timeout=PATIENCE * 1000)  # shown as it is spoken
    expect(second.said.first).to_have_text("Which glaciers near Zermatt are melting?")
    assert second.page.evaluate("location.pathname").startswith("/talk/")
    assert second.ask("And which of them is the longest?")

    second.page.go_back()
    second.find("leave-yes").click()
    second.expect_phase("idle")
    second.find("open-conversations").click()
    second.find("past-search").fill("glaciers zermatt LONGEST")
    entries = second.find("conversation")
    expect(entries).to_have_count(1)
    expect(entries.first).to_contain_text("2 questions")
    entries.first.click()
    expect(second.page).to_have_url(re.compile(f"/conversations/{session}$"))
    expect(second.find("past-lines")).to_contain_text("And which of them is the longest?")

    second.find("past-delete").click()
    second.find("past-delete-yes").click()
    expect(second.page).to_have_url(re.compile(r"/conversations$"))
    second.find("past-search").fill("glaciers zermatt")
    expect(second.find("past-empty")).to_be_visible()
    context.close()


def test_in_place_of_an_ended_session_another_one_knows_what_was_said(stack: Stack, browser: Browser) -> None:
    context = browser.new_context()
    visitor = Visitor(context.new_page())
    visitor.call(stack.url, agent_called(stack, "Juniper"))
    visitor.expect_answering()
    assert visitor.ask("Which ferries to Lofoten carry bicycles?")
    visitor.leave()
    before = session_of(visitor)
    end_session(stack, before)
    visitor.page.goto(f"{stack.url}/conversations/{before['sessionId']}")
    stack.llm.forget()
    visitor.find("past-continue").click()
    visitor.expect_answering()
    assert session_of(visitor)["sessionId"] != before["sessionId"]
    visitor.expect_notice("session_expired")
    assert visitor.ask("And how long do they take?")
    assert any("Which ferries to Lofoten carry bicycles?" in prompt.system for prompt in stack.llm.prompts())
    visitor.leave()
    context.close()
