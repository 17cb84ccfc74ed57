"""The whole of it, once: pick, greeting, a question only memory can answer, leave, reset, come back, ask again."""

from __future__ import annotations

import json

from playwright.sync_api import Locator, Page, expect

from tests.support.browser import EARS_RATE, Visitor, chromium
from tests.support.eventually import eventually
from tests.support.letta_agents import make_agent, spoken_turns
from tests.support.scripted_llm import Rule
from tests.support.speech import recognise, say, without_silence, words
from tests.support.stack import Stack

QUESTION = "What is the name of my sailing boat?"
FACT = "The person's sailing boat is called Victoria."
SECOND = 1000


def answers_on(visitor: Visitor) -> Locator:
    return visitor.page.locator(f"{visitor.element('captions')} li[data-who=assistant][data-final=true]")


def hear(visitor: Visitor, stack: Stack, word: str) -> None:
    """Until the loudspeaker has said `word`, by the ear of our own recogniser. The sound is behind its caption."""

    def recognised() -> list[str]:
        sound = without_silence(visitor.heard(), EARS_RATE)
        return words(recognise(sound, stack.settings.models_url, rate=EARS_RATE)) if len(sound) else []

    heard = eventually(recognised, lambda said: word in said, within=60)
    sound = visitor.heard()
    assert word in heard, f"heard {heard} in {len(sound) / EARS_RATE:.1f} s, loudest {abs(sound).max(initial=0):.3f}"


def ask_and_hear(visitor: Visitor, stack: Stack, question: bytes, word: str) -> None:
    """Speak, and hear `word` in the answer; the answer's last caption ends the turn."""
    already = answers_on(visitor).count()
    visitor.listen()
    visitor.speak(question)
    hear(visitor, stack, word)
    expect(answers_on(visitor)).to_have_count(already + 1, timeout=60 * SECOND)


def come_in_and_hear(visitor: Visitor, stack: Stack, button: str, word: str) -> None:
    """Press the button and hear `word` in the greeting, to its end."""
    page, already = visitor.page, answers_on(visitor).count()
    page.locator(visitor.element(button)).click()
    expect(page.locator("body")).to_have_attribute("data-phase", "live", timeout=60 * SECOND)
    visitor.listen()
    hear(visitor, stack, word)
    expect(answers_on(visitor)).to_have_count(already + 1, timeout=60 * SECOND)


def state_of(page: Page, visitor: Visitor, name: str) -> str | None:
    return page.locator(visitor.element("badge")).get_attribute(name)


def test_pick_talk_leave_reset_come_back(stack: Stack) -> None:
    agent = make_agent(stack, "Captain", FACT)
    # The name comes from the prompt that the assistant sent, not from the rule.
    stack.llm.script(Rule(user="boat", system=r"boat is called (\w+)", reply=r"It is called \1."))
    question = say(QUESTION, stack.settings.models_url, before=0.2, after=1.0)

    with chromium() as browser:
        page = browser.new_page()
        visitor = Visitor(page)
        page.goto(stack.url)
        page.locator(visitor.element(f"agent-card-{agent}")).click()
        come_in_and_hear(visitor, stack, "connect", "captain")
        expect(page.locator(visitor.element("agent-id"))).to_have_attribute("data-value", agent)
        expect(page.locator(visitor.element("badge"))).to_have_attribute("data-state", "engaged")
        first_episode = int(state_of(page, visitor, "data-episode") or 0)

        ask_and_hear(visitor, stack, question, "victoria")

        page.locator(visitor.element("disconnect")).click()
        expect(page.locator("body")).to_have_attribute("data-phase", "left", timeout=30 * SECOND)

        come_in_and_hear(visitor, stack, "reconnect", "welcome")
        assert int(state_of(page, visitor, "data-episode") or 0) > first_episode
        ask_and_hear(visitor, stack, question, "victoria")
        page.locator(visitor.element("disconnect")).click()
        expect(page.locator("body")).to_have_attribute("data-phase", "left", timeout=30 * SECOND)

    stored = eventually(lambda: spoken_turns(stack, agent), lambda turns: len(turns) >= 4, within=60)
    assert [role for role, _ in stored] == ["user_message", "assistant_message"] * 2
    assert all("boat" in text for role, text in stored if role == "user_message")
    assert all("Victoria" in text for role, text in stored if role == "assistant_message")

    events = [json.loads(line) for line in stack.settings.reconnect_log.read_text().splitlines()]
    resets = [e for e in events if e["event"] == "reset.done" and e["agent"] == agent]
    assert [reset["fields"]["outcome"] for reset in resets] == ["fresh", "fresh"]
    assert_replay_accepts(stack)


def assert_replay_accepts(stack: Stack) -> None:
    checked = stack.command("replay", str(stack.settings.reconnect_log))
    assert checked.returncode == 0, checked.stdout + checked.stderr
