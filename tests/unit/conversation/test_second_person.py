from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.conversation.second_person import Clause, in_second_person, second_person


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        ("The user's daughter has a chess tournament.", "your daughter has a chess tournament"),
        ("The user has two rabbits named Flip and Flop.", "you have two rabbits named Flip and Flop"),
        ("The user is a nurse.", "you are a nurse"),
        ("The user was born in Oslo.", "you were born in Oslo"),
        ("The user does not drink coffee.", "you do not drink coffee"),
        ("The user never watches television.", "you never watch television"),
        ("The user cannot stand onions.", "you cannot stand onions"),
        ("The user lost their keys.", "you lost your keys"),
        ("The user celebrates his birthday in May.", "you celebrate your birthday in May"),
        ("The user's brother lost his keys.", "your brother lost his keys"),
        ("The user's neighbour plays chess with the user.", "your neighbour plays chess with you"),
        ("The user has a sister who lives in Graz.", "you have a sister who lives in Graz"),
    ],
)
def test_what_begins_with_the_user_follows_that(fact: str, said: str) -> None:
    assert in_second_person(fact) == Clause(said, dependent=True)


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        ("Leo is the user's son.", "Leo is your son"),
        ("Rex sleeps beside the user.", "Rex sleeps beside you"),
        ("When the user was a child the user lived in Oslo.", "When you were a child you lived in Oslo"),
    ],
)
def test_what_begins_otherwise_is_quoted(fact: str, said: str) -> None:
    assert in_second_person(fact) == Clause(said, dependent=False)


@pytest.mark.parametrize(
    "fact",
    [
        "",
        "The user",
        "The user's dog.",
        "The user's chess games on Friday.",
        "The user's dog named Rex.",
        "The user likes tea but hates coffee.",
        "The user lives in Graz and works in Vienna.",
        "The user and Leo live in Graz.",
        "The user saw her.",
        "The user has lunch with their boss.",
        "The mother of the user is a baker.",
        "The user, who is a baker, lives in Graz.",
        'The user said: "I have a dog."',
        "The user has a dog. It is old.",
        "The user likes you.",
        "The user <b>has</b> a dog.",
        "loves tea",
    ],
)
def test_what_cannot_be_turned_with_certainty_is_not(fact: str) -> None:
    assert in_second_person(fact) is None


@pytest.mark.parametrize(
    ("verb", "form"),
    [
        *(("has", "have"), ("goes", "go"), ("tries", "try"), ("lies", "lie"), ("passes", "pass"), ("uses", "use")),
        *(("teaches", "teach"), ("fixes", "fix"), ("washes", "wash"), ("dances", "dance"), ("agrees", "agree")),
        *(("went", "went"), ("moved", "moved"), ("will", "will"), ("doesn’t", "don't")),
        *(("miss", ""), ("always", ""), ("Robin", ""), ("and", ""), ("bus", "")),
    ],
)
def test_the_form_of_a_verb(verb: str, form: str) -> None:
    assert second_person(verb) == form


@given(
    st.lists(
        st.sampled_from(
            "the user The user's has is lives likes and but that when with of Leo their her dogs on , . moved".split(
                " "
            )
        ),
        max_size=9,
    ),
    st.booleans(),
)
def test_whatever_is_turned_speaks_to_the_user(words: list[str], begins: bool) -> None:
    clause = in_second_person(("The user " if begins else "") + " ".join(words))
    if clause is not None:
        assert "user" not in clause.text.lower()
        assert not re.search(r"\b[Yy]ou (?:has|is|was|lives|likes)\b", clause.text)
        assert clause.dependent or clause.text[0].isupper()


@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    in_second_person(text)
    in_second_person(f"The user {text}")
