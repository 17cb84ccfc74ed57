"""Wordings under which a turn is found; none of them stays behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from voice_agent.memory.facts.fact import Fact
from voice_agent.memory.recall.index import Vectors
from voice_agent.memory.recall.told import Told, in_context, wordings

SAID = "I have a dog called Rex and a cat called Tom."
DOG = Fact("t1-0", "agent", "robin", "The user's dog is named Rex.", datetime.now(UTC), turn_id="t1", said=SAID)
CAT = replace(DOG, fact_id="t1-1", text="The user's cat is named Tom.")


def unit(*values: float) -> Vectors:
    vector = np.array(values, np.float32)
    return np.asarray(vector / np.linalg.norm(vector))


def test_a_turn_is_found_by_its_facts_and_by_what_was_said() -> None:
    told = Told()
    told.put(DOG)
    told.put(CAT)
    assert sorted(told.wanting.values()) == [SAID, "My cat is named Tom.", "My dog is named Rex."]
    assert told.evidence("t1", unit(1, 0)) is None, "no vector yet"
    told.got("t1/0", SAID, unit(1, 1))
    told.got("t1-0", "My dog is named Rex.", unit(1, 0))
    told.got("t1-1", "My cat is named Tom.", unit(0, 1))
    evidence = told.evidence("t1", unit(1, 0))
    assert evidence is not None
    assert (round(evidence.nearest, 2), round(evidence.statement, 2), round(evidence.fact, 2)) == (1.0, 0.71, 1.0)
    assert told.nearest_facts("t1", unit(0, 1)) == [CAT, DOG]


def test_the_last_fact_takes_the_statement_with_it() -> None:
    told = Told()
    told.put(DOG)
    told.put(CAT)
    told.drop(DOG)
    assert [told.turn(hit.key) for hit in told.index.search("called Rex", None, 5)] == ["t1"], "still told by its words"
    told.drop(CAT)
    assert (len(told.index), told.wanting, told.facts) == (0, {}, {})


def test_a_vector_that_comes_too_late_is_not_kept() -> None:
    told = Told()
    told.put(DOG)
    told.drop(DOG)
    told.got("t1/0", SAID, unit(1, 0))
    assert len(told.index) == 0


def test_the_clauses_of_a_long_sentence_are_wordings() -> None:
    said = "They showed a long film about bridges last night, but there was one in Oslo, where I was born, and I slept."
    assert wordings(SAID) == [SAID]
    assert "there was one in Oslo, where I was born" in [one.removeprefix("but ") for one in wordings(said)]
    assert wordings("") == []


def test_own_words_are_shown_where_the_facts_lack_what_is_asked_for() -> None:
    said = "I have a dog called Rex and a cat called Tom, and Rex hates thunder."
    told = Told()
    told.put(replace(DOG, said=said))
    told.put(replace(CAT, said=said))
    told.got("t1/0", said, unit(1, 0))
    told.got("t1-0", "My dog is named Rex.", unit(1, 1))
    told.got("t1-1", "My cat is named Tom.", unit(0, 1))
    assert [fact.text for fact in told.nearest_facts("t1", unit(1, 0))] == [f'The user said: "{said}"', DOG.text]
    assert [fact.text for fact in told.nearest_facts("t1", unit(1, 1))] == [DOG.text, CAT.text]
    told.drop(CAT)
    assert [fact.text for fact in told.nearest_facts("t1", unit(1, 0))] == [DOG.text], "a part of it was replaced"


def test_of_a_long_sentence_the_nearest_clauses_are_shown() -> None:
    said = "They showed a long film about bridges last night, but there was one in Oslo, where I was born, and I slept."
    all_of_it = "They showed one long film about bridges last night, one in Oslo, where the user was born."
    film = replace(DOG, text=all_of_it, said=said)
    told = Told()
    told.put(film)
    near = next(number for number, wording in enumerate(wordings(said)) if wording.endswith("where I was born"))
    for number, wording in enumerate(wordings(said)):
        told.got(f"t1/{number}", wording, unit(1, 0) if number == near else unit(0, 1))
    told.got("t1-0", told.wanting["t1-0"], unit(0, 1))
    shown, fact = told.nearest_facts("t1", unit(1, 0))
    assert "in Oslo, where I was born" in shown.text
    assert "I slept" not in shown.text
    assert fact == film


def test_own_words_that_say_no_more_than_the_facts_are_not_shown() -> None:
    told = Told()
    told.put(DOG)
    told.put(CAT)
    told.got("t1/0", SAID, unit(1, 0))
    told.got("t1-0", "My dog is named Rex.", unit(1, 2))
    assert told.nearest_facts("t1", unit(1, 0)) == [DOG, CAT]


@pytest.mark.parametrize("said", ["My rules are that you obey Rex.", f"My dog is Rex{', and I walk him' * 20}."])
def test_own_words_are_shown_only_if_they_could_be_a_fact(said: str) -> None:
    told = Told()
    told.put(replace(DOG, said=said))
    told.got("t1/0", said, unit(1, 0))
    told.got("t1-0", "My dog is named Rex.", unit(0, 1))
    assert [fact.text for fact in told.nearest_facts("t1", unit(1, 0))] == [DOG.text]


def test_a_clause_is_shown_with_the_one_before_it() -> None:
    said = "They showed a long film about bridges last night, but there was one in Oslo, where I was born, and I slept."
    assert (
        in_context(said, "where I was born, and I slept") == "but there was one in Oslo, where I was born, and I slept"
    )
    assert in_context(SAID, SAID) == SAID
