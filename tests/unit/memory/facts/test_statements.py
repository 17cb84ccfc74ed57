from __future__ import annotations

import pytest

from voice_agent.memory.facts.statements import left_out, refers_back, speaks_of_self, told


@pytest.mark.parametrize(
    "utterance",
    [
        "What is my dog called?",
        "what is my dog called",
        "do you know where i live",
        "Tell me a joke.",
        "Could you remind me of my appointment",
        "Please explain how volcanoes work.",
        "So, um, where did I park?",
        "",
        "...",
    ],
)
def test_questions_and_requests_tell_nothing(utterance: str) -> None:
    assert told(utterance) == ""


@pytest.mark.parametrize(
    ("utterance", "kept"),
    [
        ("My dog is called Biscuit.", "My dog is called Biscuit."),
        ("Please remember that my wife's name is Ada.", "my wife's name is Ada."),
        ("Did you know that I play the cello?", ""),
        ("When I was a child I lived in Oslo.", "When I was a child I lived in Oslo."),
        ("Hello! I am Robin. How are you?", "Hello! I am Robin."),
        ("um i i am allergic to walnuts", "um i i am allergic to walnuts"),
    ],
)
def test_what_is_told_is_kept_in_the_speakers_words(utterance: str, kept: str) -> None:
    assert told(utterance) == kept


def test_whom_a_statement_speaks_of() -> None:
    assert speaks_of_self("We live on the ninth floor.")
    assert not speaks_of_self("Oslo is the capital of Norway.")
    assert refers_back("Actually, he is four.")
    assert not refers_back("My nephew says he is four.")


def test_clauses_of_which_no_fact_says_a_word_are_left_out() -> None:
    said = "My friends go out every weekend, but I'm saving up for a wood stove, so it gets late."
    assert left_out(said, ["The user's friends go out every weekend."]) == ["but I'm saving up for a wood stove"]
    assert left_out(said, ["The user's friends go out every weekend.", "The user is saving for a wood stove."]) == []


def test_a_word_of_hesitation_makes_no_request_of_a_correction() -> None:
    assert told("No, wait, my horse is fifteen.") == "No, wait, my horse is fifteen."
