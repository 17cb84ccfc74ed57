"""Wishes to forget: recognised, and told apart from all else that speaks of forgetting."""

from __future__ import annotations

import pytest

from voice_agent.memory.facts.wishes import ForgetWish, forget_wish


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("Forget that my dog is named Biscuit.", "my dog is named biscuit"),
        ("Forget what I said about Clara.", "clara"),
        ("Please forget my address.", "my address"),
        ("Okay, could you please forget everything I told you about Lisbon?", "lisbon"),
        ("You should not remember where I live.", "where i live"),
        ("You shouldn't remember my phone number, please.", "my phone number"),
        ("I want you to forget about my ex-wife.", "my ex-wife"),
        ("Don't remember my birthday.", "my birthday"),
        ("It was nice. Now forget that I smoke.", "i smoke"),
        ("Delete my phone number from your memory.", "my phone number"),
    ],
)
def test_a_wish_names_what_is_to_be_forgotten(said: str, what: str) -> None:
    assert forget_wish(said) == ForgetWish(what)


@pytest.mark.parametrize(
    "said",
    [
        "Forget everything.",
        "Please forget everything about me.",
        "Forget everything you know about me!",
        "Could you forget all about me?",
        "Forget me.",
        "You should forget everything that I told you.",
    ],
)
def test_everything_is_a_wish_of_its_own(said: str) -> None:
    assert forget_wish(said) == ForgetWish("", everything=True)


@pytest.mark.parametrize(
    "said",
    [
        "Don't forget the milk.",
        "Do not forget that my dog is named Biscuit.",
        "I always forget my keys.",
        "I forgot my password.",
        "My sister forgets everything.",
        "Forget it.",
        "Never forget me.",
        "I don't remember her name.",
        "Did you forget my name?",
        "What did I forget?",
        "Remove the last song.",
        "Don't keep me waiting.",
        "",
    ],
)
def test_other_talk_of_forgetting_is_no_wish(said: str) -> None:
    assert forget_wish(said) is None
