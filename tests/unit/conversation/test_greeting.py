from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.contracts import AgentBinding
from voice_agent.conversation.greeting import follow_up, greeting_text, name_told
from voice_agent.memory.facts.dates import spoken
from voice_agent.memory.facts.fact import Fact, FactSource, FactState

TODAY = date(2026, 11, 30)
TOLD = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def ada(greeting: str | None) -> AgentBinding:
    return AgentBinding(agent_id="a", letta_agent_id="agent-1", name="Ada", greeting=greeting)


def fact(text: str, session: str = "last", *, days: int = 0) -> Fact:
    return Fact(f"fact:{text}", "agent-1", "user:robin", text, TOLD + timedelta(days), session_id=session)


@pytest.mark.parametrize(
    ("greeting", "name", "returning", "enabled", "asked", "expected"),
    [
        (None, "", False, True, "", "Hello, this is Ada. How can I help you?"),
        (None, "Sam", False, True, "", "Hello, Sam, this is Ada. How can I help you?"),
        (None, "Sam", False, True, "How is Leo?", "Hello, Sam, this is Ada. How can I help you?"),
        (None, "Sam", True, True, "", "Welcome back, Sam. What would you like to talk about?"),
        (None, "Sam", True, True, "How is Leo?", "Hello Sam. How is Leo?"),
        (None, "", True, True, "How is Leo?", "Welcome back. How is Leo?"),
        ("Hi {name}!", "Sam", False, True, "", "Hi Sam!"),
        ("Hi {name}!", "Sam", True, True, "How is Leo?", "Hi Sam!"),
        ("Hi {name}!", "", False, True, "", "Hi there!"),
        ("", "Sam", True, True, "How is Leo?", ""),
        (None, "Sam", True, False, "How is Leo?", ""),
    ],
)
def test_the_words_depend_on_who_comes(
    greeting: str | None, name: str, returning: bool, enabled: bool, asked: str, expected: str
) -> None:
    text = greeting_text(ada(greeting), user_name=name, returning=returning, enabled=enabled, follow_up=asked)
    assert text == expected


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        (
            "The user's daughter has a chess tournament on Friday 27 November 2026.",
            "Last time you told me that your daughter has a chess tournament on Friday 27 November. How did it go?",
        ),
        (
            "The user flies to Oslo on Monday 30 November 2026.",
            "Last time you told me that you fly to Oslo today. How do you feel about it?",
        ),
        (
            "The user goes to a wedding on Tuesday 1 December 2026 in the morning.",
            "Last time you told me that you go to a wedding tomorrow in the morning. How do you feel about it?",
        ),
        (
            "Leo's concert is on Thursday 3 December 2026.",
            "Last time you told me: Leo's concert is on Thursday. How do you feel about it?",
        ),
        (
            "The user has a holiday in the week of Monday 7 December 2026.",
            "Last time you told me that you have a holiday in the week of Monday 7 December. How do you feel about it?",
        ),
        (  # it had happened when it was told
            "The user lost a glove on Monday 23 November 2026.",
            "Last time you told me that you lost a glove on Monday 23 November. What is new since then?",
        ),
        (
            "The user does not work on Thursday 3 December 2026.",
            "Last time you told me that you do not work on Thursday. What is new since then?",
        ),
        (
            "The user has two rabbits named Flip and Flop.",
            "Last time you told me that you have two rabbits named Flip and Flop. What is new since then?",
        ),
    ],
)
def test_what_was_told_is_asked_about(text: str, asked: str) -> None:
    assert follow_up([fact(text)], TODAY) == asked


def test_an_event_comes_first_also_of_an_earlier_visit() -> None:
    event = fact("The user has an exam on Wednesday 2 December 2026.", "earlier")
    facts = [event, fact("The user collects stamps.", days=1)]
    assert follow_up(facts, TODAY) == "You told me that you have an exam on Wednesday. How do you feel about it?"


def test_else_the_newest_of_the_last_visit() -> None:
    facts = [fact("The user sings.", "earlier"), fact("The user has a cat.", days=1), fact("The user is 9.", days=2)]
    assert "you are 9" in follow_up(facts, TODAY)
    secret = fact("The user's alarm code is 4711.", days=3)
    assert "you are 9" in follow_up([*facts, secret], TODAY)
    assert follow_up([facts[0], secret], TODAY) == ""


def test_a_sentence_about_nobody_by_name_is_not_repeated() -> None:
    facts = [fact("The dog will be getting a name on Monday 30 November 2026."), fact("The user is getting a dog.")]
    assert follow_up(facts, TODAY) == "Last time you told me that you are getting a dog. What is new since then?"


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (["The user's name is Robin."], "Robin"),
        (["The user is called Ada Lovelace", "The user has a cat."], "Ada"),
        (["The user's name is Robin.", "The user's name is Alex."], "Alex"),
        (["The user's name is not Robin."], ""),
    ],
)
def test_the_name_that_a_person_told(texts: list[str], name: str) -> None:
    assert name_told([fact(text, days=day) for day, text in enumerate(texts)]) == name


@pytest.mark.parametrize(
    "text",
    [
        "The user's door code is 4711.",
        "The user has the phone number 0660 12 34.",
        "The user's bike lock is four seven one one.",
        "The user is allergic to nuts.",
        "The user takes ten milligrams of Ramipril.",
        "The user has an operation on Wednesday 2 December 2026.",
        "The user's grandmother died on Friday 27 November 2026.",
        "The user's name is Robin.",
        "The user has " + "very " * 30 + "old shoes.",
    ],
)
def test_what_is_not_brought_up_unasked(text: str) -> None:
    assert follow_up([fact(text)], TODAY) == ""


def test_only_what_the_person_told_and_still_holds() -> None:
    cat = fact("The user has a cat.")
    others = [replace(cat, source=FactSource.LETTA), replace(cat, state=FactState.REPLACED)]
    assert follow_up([*others, replace(cat, fact_id="turn:1")], TODAY) == ""
    assert follow_up([], TODAY) == ""


@given(st.integers(-40, 40))
def test_only_near_events_are_asked_about(days: int) -> None:
    when = TODAY + timedelta(days)
    told = replace(fact(f"The user has a match on {spoken(when)}."), said_at=TOLD - timedelta(60))
    asked = follow_up([told], TODAY)
    assert asked.endswith("How did it go?") is (-14 <= days < 0)
    assert asked.endswith("How do you feel about it?") is (0 <= days <= 7)
    assert "2026" not in asked


@given(st.lists(st.text(max_size=60), max_size=5))
def test_any_facts_are_taken(texts: list[str]) -> None:
    asked = follow_up([fact(f"The user has {text}") for text in texts], TODAY)
    assert asked == "" or (asked.endswith("?") and "user" not in asked.lower())
