from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.memory.recall.index import Vectors, WordingIndex, as_said


def unit(*values: float) -> Vectors:
    vector = np.array(values, np.float32)
    return np.asarray(vector / np.linalg.norm(vector))


def test_meaning_and_words_are_joined() -> None:
    index = WordingIndex()
    index.put("words", "The user's bicycle is green.", unit(0, 1, 0))
    index.put("meaning", "The user rides to work.", unit(1, 0, 0))
    index.put("neither", "The user likes tea.", unit(0, 0, 1))
    found = [hit.key for hit in index.search("my bicycle", unit(1, 0.1, 0), 2)]
    assert set(found) == {"words", "meaning"}


def test_without_vectors_words_are_enough() -> None:
    index = WordingIndex()
    index.put("a", "The user is allergic to walnuts.", None)
    index.put("b", "The user's dog is named Biscuit.", None)
    assert [hit.key for hit in index.search("walnut allergies", None, 3)] == ["a"]


def test_vectors_of_another_model_take_the_place_of_the_old_ones() -> None:
    index = WordingIndex()
    index.put("a", "one", unit(1, 0))
    index.put("b", "two", unit(0, 1, 0))
    assert [hit.key for hit in index.search("x", unit(0, 1, 0), 3)] == ["b"]


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=60))
def test_what_was_dropped_is_never_found(steps: list[tuple[int, bool]]) -> None:
    index, present = WordingIndex(), set()
    for number, put in steps:
        key = str(number)
        if put:
            index.put(key, f"word{number} shared", unit(number + 1, 1))
            present.add(key)
        else:
            index.drop(key)
            present.discard(key)
    assert {hit.key for hit in index.search("shared", unit(1, 1), 20)} == present
    assert len(index) == len(present)


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        ("The user's dog is named Biscuit.", "My dog is named Biscuit."),
        ("The user is allergic to nuts.", "I am allergic to nuts."),
        ("The user carries a bag.", "I carry a bag."),
        ("The user does not eat meat.", "I do not eat meat."),
        ("Valentina is the user's friend.", "Valentina is my friend."),
    ],
)
def test_facts_as_they_would_be_said(fact: str, said: str) -> None:
    assert as_said(fact) == said
