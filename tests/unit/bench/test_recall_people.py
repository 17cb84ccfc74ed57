"""Made-up people of the recall benchmark: reproducible by seed, without contradictions."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date, timedelta

import pytest

from tests.bench.recall_people import (
    DATES,
    STATEMENTS_PER_CHATTER,
    VISITS,
    MadeUpPerson,
    chatter,
    foreign,
    made_up,
    pool_of,
    untold,
)
from tests.bench.recall_words.template import Kind, Pool

SEEDS = range(1, 21)
ONE_DAY = (date(2026, 11, 26),) * 6


@pytest.fixture(params=SEEDS)
def person(request: pytest.FixtureRequest) -> MadeUpPerson:
    return made_up(request.param)


def test_a_seed_makes_the_same_person_every_time() -> None:
    assert made_up(7) == made_up(7)
    assert made_up(7) != made_up(9)
    assert foreign(7, 50) == foreign(7, 50)


def test_every_kind_comes_up_four_times(person: MadeUpPerson) -> None:
    assert Counter(fact.kind for fact in person.facts) == dict.fromkeys(Kind, 4)
    assert person.facts[0].attribute == "own name"
    assert person.name.split()[0] in person.facts[0].statement


def test_a_short_list_of_facts_has_every_kind() -> None:
    assert {fact.kind for fact in made_up(2, facts=12).facts} == set(Kind)


@pytest.mark.parametrize("count", [0, 1000])
def test_a_count_that_cannot_be_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="facts"):
        made_up(1, facts=count)


def test_the_pools_share_no_wording_and_few_attributes() -> None:
    odd, even = pool_of(1), pool_of(2)
    for part in ("says", "asks", "later"):
        texts = [{getattr(one, part) for one in pool.templates} - {""} for pool in (odd, even)]
        assert not texts[0] & texts[1]
    attributes = [{one.attribute for one in pool.templates} for pool in (odd, even)]
    assert len(attributes[0] | attributes[1]) >= 60
    assert attributes[0] & attributes[1] == {"own name"}
    assert not set(odd.chatter) & set(even.chatter)
    assert not set(odd.untold) & set(even.untold)


@pytest.mark.parametrize(("seed", "other"), [(1, 2), (3, 2), (3, 1)])
def test_no_sentence_and_no_question_is_in_two_pools(seed: int, other: int) -> None:
    def worded(pool: Pool) -> set[str]:
        told = {text for one in pool.templates for text in (one.says, one.asks, one.later) if text}
        return told | {question for _, question in pool.untold}

    assert not worded(pool_of(seed)) & worded(pool_of(other))


def test_within_a_pool_an_attribute_is_asked_for_once() -> None:
    for pool in (pool_of(1), pool_of(2), pool_of(3)):
        for part in ("attribute", "asks", "says"):
            texts = Counter(getattr(one, part) for one in pool.templates)
            assert max(texts.values()) == 1


def test_everything_is_filled_in(person: MadeUpPerson) -> None:
    for fact in person.facts:
        texts = (fact.statement, fact.question, fact.before)
        assert not any(brace in text for text in texts for brace in "{}"), fact
        assert all(fact.accepted), fact
        assert fact.question.endswith("?")


def test_two_facts_of_a_person_never_have_the_same_value(person: MadeUpPerson) -> None:
    words = [
        key
        for fact in person.facts
        for key in {key for group in (*fact.accepted, fact.rejected) for key in group if key in person.used}
    ]
    assert max(Counter(words).values(), default=1) == 1


def test_a_correction_comes_after_what_it_corrects(person: MadeUpPerson) -> None:
    for fact in person.facts:
        if fact.kind is Kind.CORRECTION:
            assert 1 <= fact.before_visit < fact.visit <= VISITS
            assert fact.before
            assert fact.rejected
            assert not set(fact.rejected) & {key for group in fact.accepted for key in group}
        else:
            assert not fact.before


def test_by_voice_is_without_case_and_points_and_its_values_can_be_found(person: MadeUpPerson) -> None:
    for fact in person.facts:
        if fact.kind is Kind.BY_VOICE:
            assert fact.statement.replace(" ", "").isalpha()
            assert fact.statement == fact.statement.lower()
            words = [key for key in fact.accepted[0] if ":" not in key]
            plain = ["".join(c for c in word.lower() if c.isalpha()) for word in words]
            assert not words or any(word in fact.statement.replace(" ", "") for word in plain), fact


def test_every_statement_is_said_once_in_its_visit(person: MadeUpPerson) -> None:
    said = [(visit, line) for visit in range(1, VISITS + 1) for line in person.script(visit)]
    for fact in person.facts:
        assert [visit for visit, line in said if line.text == fact.statement] == [fact.visit]
    facts = sum(bool(line.fact_id) for _, line in said)
    assert facts == len(person.facts) + sum(bool(fact.before) for fact in person.facts)
    assert len(said) - facts >= facts // STATEMENTS_PER_CHATTER - VISITS


def test_the_date_of_a_visit_decides_what_its_words_mean() -> None:
    early, late = made_up(3, dates=DATES), made_up(3, dates=ONE_DAY)
    for one, other in zip(early.facts, late.facts, strict=True):
        assert (one.attribute, one.visit) == (other.attribute, other.visit)
        if one.kind is not Kind.DATE:
            assert one == other


def test_relative_dates_are_worked_out() -> None:
    wanted = {"in ten days": 10, "a week ago": -7, "six days ago": -6, "two weeks from today": 14}
    seen = set()
    for seed in range(1, 41):
        for fact in made_up(seed, facts=60, dates=ONE_DAY).facts:
            for phrase, days in wanted.items():
                if fact.kind is Kind.DATE and phrase in fact.statement:
                    assert fact.accepted[0][0] == f"date:{ONE_DAY[0] + timedelta(days=days)}"
                    seen.add(phrase)
    assert seen == set(wanted)


def test_what_is_untold_is_not_told(person: MadeUpPerson) -> None:
    asked = untold(person.seed, 10)
    assert len({one.question for one in asked}) == 10
    assert not {one.attribute for one in asked} & {fact.attribute for fact in person.facts}
    assert not {one.question for one in asked} & {fact.question for fact in person.facts}


def test_ten_thousand_foreign_facts_differ_and_hold_no_value_of_the_person() -> None:
    for seed in (1, 2):
        used, some = made_up(seed).used, foreign(seed, 10_000)
        assert len(set(some)) == 10_000
        assert all(one.startswith(("The user", "In ")) and "{" not in one for one in some)
        text = " ".join(some).casefold()
        words = set(re.findall(r"[\w'-]+", text.replace("'s ", " ")))
        assert [value for value in used if (value in words if " " not in value else value in text)] == []


def test_chatter_is_mixed_by_seed() -> None:
    assert set(chatter(1)) == set(chatter(5))
    assert chatter(1) != chatter(5)
