from __future__ import annotations

import pytest

from voice_agent.memory.facts.statements import left_out, pieces, refers_back, speaks_of_self, told
from voice_agent.memory.text import words


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
    assert speaks_of_self("Gran is getting married again.")
    assert not speaks_of_self("Your dad is funny, the mum in the film is not.")
    assert refers_back("Actually, he is four.")
    assert not refers_back("My nephew says he is four.")


def test_what_no_fact_tells_is_left_out() -> None:
    said = "My friends go out every weekend, but I'm saving up for a wood stove, so it gets late."
    assert left_out(said, ["The user's friends go out every weekend."]) == [said.rstrip(".")]
    told_all = ["The user's friends go out every weekend.", "The user is saving up for a wood stove.", "It gets late."]
    assert left_out(said, told_all) == []
    assert left_out("I take bus 80.", ["The user takes a bus."]) == ["I take bus 80"], "a number always matters"
    assert left_out("My friend is Ulrike.", ["The user has a friend."]) == ["My friend is Ulrike"], "and a name"
    assert left_out("Actually, I was wrong: the cat is twelve.", ["The user's cat is twelve."]) == []


def test_of_a_long_sentence_the_part_is_kept_with_what_stands_beside_it() -> None:
    said = (
        "The train was late and the bus was full, and the shops were closed, and the wind blew, but Radha, who has "
        "mended my teeth since I was a child, came out in person and gave me a towel."
    )
    facts = [
        "The train was late and the bus was full.",
        "The shops were closed and the wind blew.",
        "Radha is in person.",
    ]
    [part] = left_out(said, facts)
    assert "mended my teeth" in part
    assert "shops" not in part


@pytest.mark.parametrize(
    ("utterance", "kept"),
    [
        ("Been with the same firm for 15 years, can you imagine?", "Been with the same firm for 15 years."),
        ("Nieces and nephews? I've got eight of them.", "Nieces and nephews: I've got eight of them."),
        ("Guess what, we've got a kitten.", "we've got a kitten."),
        ("Imagine, I've sold the car.", "Imagine, I've sold the car."),
        ("Imagine you are a pirate.", ""),
        ("What with the fog I walked to my office.", "What with the fog I walked to my office."),
        ("Had my jab on Monday.", "Had my jab on Monday."),
        ("When it's too hot we order in.", "When it's too hot we order in."),
        ("Coffee?", ""),
        ("Have you been there", ""),
        ("When is my birthday", ""),
        ("Let me put the kettle on.", ""),
    ],
)
def test_statements_that_look_like_questions_or_requests(utterance: str, kept: str) -> None:
    assert told(utterance) == kept


def test_who_leaves_the_subject_out_speaks_of_themselves() -> None:
    assert speaks_of_self("Been there twice.")
    assert not refers_back("It poured the whole way into town, and nobody came.")


def test_a_word_of_hesitation_makes_no_request_of_a_correction() -> None:
    assert told("No, wait, my horse is fifteen.") == "No, wait, my horse is fifteen."


def test_a_long_sentence_comes_in_pieces_and_nothing_is_lost() -> None:
    said = ", ".join(f"and this is clause number {number} of many" for number in range(12))
    some = pieces(said)
    assert len(some) > 1
    assert all(len(words(piece)) <= 30 for piece in some)
    assert [word for piece in some for word in words(piece)] == words(said)
    assert pieces("One clause") == ["One clause"]
