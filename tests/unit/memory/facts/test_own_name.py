from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from voice_agent.memory.facts.fact import Fact
from voice_agent.memory.facts.own_name import introduction, naming, own_name


@pytest.mark.parametrize(
    ("fact", "name"),
    [
        ("The user's name is Robin.", "Robin"),
        ("The user's full name is Ada Lovelace", "Ada"),
        ("The user is called Élodie.", "Élodie"),
        ("The user is named Jean-Luc O'Neill.", "Jean-Luc"),
        ("The user's name is not Robin.", ""),
        ("The user's son is called Leo.", ""),
        ("The user is called often.", ""),
        ("The user's name is <b>.", ""),
        ("The user is Greek.", ""),
    ],
)
def test_the_name_that_a_fact_tells(fact: str, name: str) -> None:
    assert own_name(fact) == name


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("Robin Ash speaking, pleased to meet you.", "Robin Ash"),
        ("Hi, it's Robin here.", "Robin"),
        ("Good evening, this is Zoë speaking", "Zoë"),
        ("Robin is here.", ""),
        ("Nobody here, it seems.", ""),
        ("Robin here is my brother.", ""),
        ("English speaking people live there.", ""),
    ],
)
def test_an_introduction_names_the_user(said: str, name: str) -> None:
    assert introduction(said) == (f"The user's name is {name}." if name else "")


def test_who_the_user_is() -> None:
    cat = Fact("f1", "agent", "robin", "The user has a cat.", datetime(2026, 11, 24, tzinfo=UTC))
    is_ada = replace(cat, text="The user is Ada Lovelace.")
    called = replace(cat, text="The user is called Ada.")
    assert naming([]) is None
    assert naming([cat]) is None
    assert naming([cat, is_ada]) is is_ada
    assert naming([cat, is_ada, called]) is called, "what is said to be the name goes before"
