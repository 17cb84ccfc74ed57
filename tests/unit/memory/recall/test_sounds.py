from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voice_agent.memory.recall.question import NAMES_SOMEBODY
from voice_agent.memory.recall.sounds import Sounds
from voice_agent.memory.text import content_words


def heard(told: str, question: str) -> str:
    sounds = Sounds()
    sounds.add(content_words(told))
    return sounds.as_used(question, NAMES_SOMEBODY)


@pytest.mark.parametrize(
    ("told", "question", "meant"),
    [
        ("We are getting a dog.", "What did we want to call the dock?", "What did we want to call the dog?"),
        ("My flat is in Bear Street.", "Is my flat in bare street?", "Is my flat in bear street?"),
        ("My friend Robyn sails.", "What does Robin like?", "What does robyn like?"),
        # What was said stays as it is.
        ("I have a dog and a dock.", "Where is the dock?", "Where is the dock?"),
        ("I fly a kite.", "What is my cat called?", "What is my cat called?"),
        ("I love the sun.", "What is my son called?", "What is my son called?"),
        ("I have a dog.", "Where are my dogs?", "Where are my dogs?"),
        ("Hello Ann.", "Who am I?", "Who am I?"),
        ("", "What about the dock?", "What about the dock?"),
    ],
)
def test_a_word_that_was_never_said_stands_for_one_that_sounds_like_it(told: str, question: str, meant: str) -> None:
    assert heard(told, question) == meant


@settings(max_examples=20)
@given(st.lists(st.sampled_from(["dog", "dock", "dogs", "bear", "bare", "Leo"]), max_size=8))
def test_nothing_is_left_of_what_is_dropped(words: list[str]) -> None:
    sounds = Sounds()
    sounds.add(words)
    sounds.drop(words)
    text = "the dock, the bare dog"
    assert sounds.as_used(text, ()) == text
