"""Whole path, once: pick, greeting, a question that needs memory, leave, reset, come back, ask again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import expect

from tests.support.browser import EARS_RATE, Visitor, chromium
from tests.support.eventually import eventually
from tests.support.letta_agents import make_agent, spoken_turns
from tests.support.scripted_llm import Rule
from tests.support.speech import recognise, say, sounds_like, without_silence, words
from tests.support.stack import Stack

QUESTION = "What is the name of my sailing boat?"
AGAIN = "Please tell me once more how my old boat is called."
FACT = "The person's sailing boat is called Victoria."
SECOND = 1000


@contextmanager
def hears(visitor: Visitor, stack: Stack, word: str) -> Iterator[None]:
    """What is done in this context is answered: with `word` in the final caption, and the loudspeaker says that
    caption, by the ear of our own STT.

    Of the sound half of the words are enough: on a busy machine it has gaps. It is recognised once the caption is
    final, because STT while the sound plays is one more reason for gaps.
    """
    answers = visitor.answers.filter(has_text=re.compile(word, re.IGNORECASE))
    already = answers.count()
    visitor.listen()
    yield
    expect(answers).to_have_count(already + 1, timeout=60 * SECOND)
    caption = words(answers.last.locator(".line-text").inner_text())

    def recognised() -> list[str]:
        sound = without_silence(visitor.heard(), EARS_RATE)
        return words(recognise(sound, stack.settings.models_url, rate=EARS_RATE)) if len(sound) else []

    def says_caption(heard: list[str]) -> bool:
        return sum(sounds_like(said, heard) for said in caption) >= len(caption) / 2

    heard = eventually(recognised, says_caption, within=30, every=1.0)
    sound = visitor.heard()
    assert says_caption(heard), (
        f"caption {caption}, heard {heard} in {len(sound) / EARS_RATE:.1f} s, loudest {abs(sound).max(initial=0):.3f}"
    )


def ask_and_hear(visitor: Visitor, stack: Stack, question: bytes, word: str) -> None:
    with hears(visitor, stack, word):
        visitor.speak(question)


def come_in_and_hear(visitor: Visitor, stack: Stack, button: str, word: str) -> None:
    """Listens before the button is pressed: who returns is greeted as soon as the page is live."""
    with hears(visitor, stack, word):
        visitor.find(button).click()
        visitor.expect_phase("live")


def test_pick_talk_leave_reset_come_back(stack: Stack) -> None:
    agent = make_agent(stack, "Captain", FACT)
    # The name comes from the prompt that the assistant sent, not from the rule.
    stack.llm.script(Rule(user="boat", system=r"boat is called (\w+)", reply=r"It is called \1."))
    question, again = (say(text, stack.settings.models_url, before=0.2, after=1.0) for text in (QUESTION, AGAIN))

    with chromium() as browser:
        visitor = Visitor(browser.new_page())
        visitor.page.goto(stack.url)
        visitor.find(f"agent-card-{agent}").click()
        come_in_and_hear(visitor, stack, "connect", "captain")
        expect(visitor.find("agent-id")).to_have_attribute("data-value", agent)
        visitor.expect_answering()
        first_episode = visitor.episode
        ask_and_hear(visitor, stack, question, "victoria")
        visitor.leave()

        come_in_and_hear(visitor, stack, "reconnect", "boat")  # where they were
        assert visitor.episode > first_episode
        ask_and_hear(visitor, stack, again, "victoria")
        visitor.leave()
        shown = visitor.said.all_text_contents()

    # What the page showed as said is what Letta holds, each word once: a pause may cut one sentence into two turns.
    def everything_said(turns: list[tuple[str, str]]) -> list[str]:
        return words(" ".join(text for role, text in turns if role == "user_message"))

    shown_words = words(" ".join(shown))
    stored = eventually(
        lambda: spoken_turns(stack, agent), lambda turns: len(everything_said(turns)) >= len(shown_words), within=60
    )
    assert everything_said(stored) == shown_words, stored
    assert [text for _, text in stored if "Victoria" in text] == ["It is called Victoria."] * 2, stored

    events = [json.loads(line) for line in stack.settings.reconnect_log.read_text().splitlines()]
    resets = [e for e in events if e["event"] == "reset.done" and e["agent"] == agent]
    assert [reset["fields"]["outcome"] for reset in resets] == ["fresh", "fresh"]
    timed = [e["fields"] for e in events if e["event"] == "turn.timed" and e["agent"] == agent]
    assert len(timed) >= 2, "the log does not say where the seconds of an answer went"
    for fields in timed:
        assert 0 < fields["understood_ms"] <= fields["turn_over_ms"] < fields["answered_ms"]
        assert fields["first_word_ms"] <= fields["first_clause_ms"]
    assert_replay_accepts(stack)


def assert_replay_accepts(stack: Stack) -> None:
    checked = stack.command("replay", str(stack.settings.reconnect_log))
    assert checked.returncode == 0, checked.stdout + checked.stderr
