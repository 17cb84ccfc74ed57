"""Microphone and loudspeaker of the page: missing, refused, muted, push to talk, silence."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.test_page_returns import agent_called
from tests.support.browser import FAKE_CONSENT, FAKE_DEVICE, Visitor, chromium
from tests.support.speech import say, words
from tests.support.stack import Stack

SECOND = 1000


@pytest.mark.parametrize(
    ("without", "code"),
    [(FAKE_DEVICE, "microphone_missing"), (FAKE_CONSENT, "microphone_denied")],
    ids=["missing", "refused"],
)
def test_without_a_microphone_one_can_type(stack: Stack, without: str, code: str) -> None:
    with chromium(without=without) as browser:
        visitor = Visitor(browser.new_page())
        visitor.call(stack.url, agent_called(stack, "Juniper"))
        visitor.expect_answering()
        notice = visitor.expect_notice(code)
        expect(notice).to_contain_text("You can type meanwhile.")
        assert visitor.ask("Hello there.")
        visitor.leave()


def test_what_is_said_while_muted_is_not_heard(stack: Stack) -> None:
    sentence = say("Please open the window.", stack.settings.models_url, before=0.2, after=1.0)
    with chromium() as browser:
        page = browser.new_page()
        visitor = Visitor(page)
        visitor.call(stack.url, agent_called(stack, "Marlow"))
        visitor.expect_answering()
        expect(visitor.answers).not_to_have_count(0, timeout=60 * SECOND)  # the greeting is over
        mine = page.locator("[data-testid=captions] li[data-who=me][data-final=true]")

        visitor.find("mute").click()
        expect(visitor.find("mute")).to_have_attribute("aria-pressed", "true")
        visitor.speak(sentence)
        visitor.find("mute").click()
        expect(visitor.find("mute")).to_have_attribute("aria-pressed", "false")
        assert mine.count() == 0

        visitor.speak(sentence)
        expect(mine).to_have_count(1, timeout=60 * SECOND)
        assert "window" in words(mine.locator(".line-text").inner_text())
        expect(visitor.find("turns")).to_contain_text("for the last answer", timeout=60 * SECOND)
        visitor.leave()


NOTE_UNFINISHED_LINES = """() => {
  const captions = document.querySelector("[data-testid=captions]");
  window.unfinished = [];
  const note = () => {
    for (const line of captions.querySelectorAll("li[data-who=me][data-final=false] .line-text"))
      window.unfinished.push(line.innerText);
  };
  const all = { subtree: true, childList: true, characterData: true, attributes: true };
  new MutationObserver(note).observe(captions, all);
}"""


def test_words_are_shown_while_they_are_spoken(stack: Stack) -> None:
    said = "Please open the window in the kitchen, and then tell me a story about the old harbour of Lisbon"
    sentence = say(f"{said}.", stack.settings.models_url, before=0.2, after=1.0)
    with chromium() as browser:
        page = browser.new_page()
        visitor = Visitor(page)
        visitor.call(stack.url, agent_called(stack, "Marlow"))
        visitor.expect_answering()
        expect(visitor.answers).not_to_have_count(0, timeout=60 * SECOND)  # the greeting is over
        page.evaluate(NOTE_UNFINISHED_LINES)
        visitor.speak(sentence)
        mine = page.locator("[data-testid=captions] li[data-who=me][data-final=true]")
        expect(mine).to_have_count(1, timeout=60 * SECOND)
        whole = words(mine.locator(".line-text").inner_text())
        shown = [words(text) for text in page.evaluate("() => window.unfinished")]
        assert any(2 <= len(some) < len(whole) and some[:2] == whole[:2] for some in shown), (shown, whole)
        visitor.leave()


def test_push_to_talk_sends_only_what_is_said_while_held(stack: Stack) -> None:
    sentence = say("Please open the window.", stack.settings.models_url, before=0.2, after=0.5)
    with chromium() as browser:
        page = browser.new_page()
        visitor = Visitor(page)
        visitor.call(stack.url, agent_called(stack, "Marlow"))
        visitor.expect_answering()
        expect(visitor.answers).not_to_have_count(0, timeout=60 * SECOND)
        visitor.find("sound").click()
        visitor.find("ptt").check()
        page.keyboard.press("Escape")
        mine = page.locator("[data-testid=captions] li[data-who=me][data-final=true]")
        hold = visitor.find("push-to-talk")
        expect(hold).to_be_visible()
        visitor.speak(sentence)
        assert mine.count() == 0

        page.locator("body").press("Shift")  # the focus is on no field
        page.evaluate("() => document.activeElement.blur()")
        page.keyboard.down("Space")
        expect(hold).to_contain_text("Release")
        visitor.speak(sentence)
        page.keyboard.up("Space")
        expect(hold).to_contain_text("Hold to talk")
        expect(mine).to_have_count(1, timeout=60 * SECOND)
        visitor.leave()


def level(page: Page) -> float:
    return float(
        page.evaluate("() => new DOMMatrix(getComputedStyle(document.querySelector('.level > i')).transform).a")
    )


def test_silence_is_told_and_speech_takes_it_back(stack: Stack) -> None:
    sentence = say("Please open the window.", stack.settings.models_url, before=0.2, after=1.0)
    with chromium() as browser:
        page = browser.new_page()
        visitor = Visitor(page)
        visitor.call(stack.url, agent_called(stack, "Rosa"))
        visitor.expect_answering()
        notice = visitor.expect_notice("unheard", 40)
        assert level(page) < 0.2
        visitor.speak(sentence)
        expect(notice).to_have_count(0, timeout=10 * SECOND)
        visitor.leave()
