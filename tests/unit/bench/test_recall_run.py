"""Recall benchmark itself, with assistants of known memory: one remembers everything, one confuses people."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from tests.bench.recall import counts, stored
from tests.bench.recall_people import made_up
from tests.bench.recall_report import misses, summary
from tests.bench.recall_talk import Assistant, given, interview
from tests.support.visitor import Answer, PersonKey, Visitor, VisitorApi
from tests.support.whole_system import WholeSystem

SEED = 3
ASSISTANT = Assistant("a", "agent-1")
QUESTIONS = {"new session": 12, "after reset": 4, "untold": 3, "two people": 8}
TODAY = [date.today()] * 6
FACTS = (*made_up(SEED, 12, TODAY).facts, *made_up(SEED + 1_000_000, 6, TODAY).facts)


class Mind:
    """Knows the made-up people by their questions, and who has told what."""

    def __init__(self, *, keeps_apart: bool) -> None:
        self.keeps_apart = keeps_apart
        self.told: dict[str, set[str]] = {}

    def answer(self, person: str, text: str) -> Answer:
        told = self.told.setdefault(person, set())
        known = set().union(*self.told.values()) if not self.keeps_apart else told
        for fact in FACTS:
            if fact.question == text and fact.statement in known:
                return Answer(f"You said: {fact.statement}", 0.5, (fact.statement,))
        told.add(text)
        return Answer("You haven't told me that.", 0.5, None)


class FakeVisitor:
    def __init__(self, mind: Mind, who: PersonKey) -> None:
        self.mind, self.who = mind, who

    async def answer_to(self, text: str) -> Answer:
        return self.mind.answer(self.who.person_id, text)

    async def leave(self) -> None:
        return None


class FakeApi(VisitorApi):
    def __init__(self, mind: Mind) -> None:
        super().__init__(httpx.AsyncClient())
        self.mind, self.people = mind, 0

    async def new_person(self) -> PersonKey:
        self.people += 1
        return PersonKey(f"person-{self.people}", "key")

    async def come_in(self, agent_id: str, who: PersonKey) -> Visitor:
        return cast(Visitor, FakeVisitor(self.mind, who))

    async def come_back(self, visitor: Visitor, who: PersonKey) -> Visitor:
        return visitor

    async def memory(self, agent_id: str, who: PersonKey) -> dict[str, Any]:
        return {"pending": 0, "parked": 0, "facts": [{"text": text} for text in self.mind.told[who.person_id]]}


async def run(*, keeps_apart: bool) -> dict[str, Any]:
    api = FakeApi(Mind(keeps_apart=keeps_apart))
    return await interview(WholeSystem("", None), api, ASSISTANT, SEED, 12, QUESTIONS)


async def test_whoever_remembers_everything_has_full_marks() -> None:
    person = await run(keeps_apart=True)
    result = summary([person])
    assert result["failed"] == []
    assert result["all"]["right"] == {"count": 16, "of": 16, "share": 1.0, "interval": (0.8064, 1.0)}
    assert result["all"]["retrieved"]["share"] == 1.0
    assert result["untold"]["admitted"]["count"] == 3
    assert result["two people"]["leaks in an answer"]["count"] == 0
    assert result["two people"]["own facts"]["right"]["share"] == 1.0
    assert result["learning"]["parked"] == 0
    json.dumps(person)


async def test_whoever_mixes_people_up_is_found_out() -> None:
    person = await run(keeps_apart=False)
    result = summary([person])
    assert result["two people"]["leaks in an answer"]["count"] > 0
    assert result["two people"]["leaks in the facts given"]["count"] > 0
    assert "leak" in misses([person])


async def test_a_condition_that_breaks_is_written_down() -> None:
    api = FakeApi(Mind(keeps_apart=True))
    person = await interview(WholeSystem("", None), api, ASSISTANT, SEED, 12, {"letta away": 1, "new session": 1})
    assert [line["condition"] for line in person["lines"]] == ["letta away", "new session"]
    assert len(summary([person])["failed"]) == 1
    assert "letta away" in misses([person])


def test_what_was_given_is_looked_for_in_all_facts_together() -> None:
    fact = next(fact for fact in made_up(1).facts if fact.kind == "list")
    values = [group[0] for group in fact.accepted]
    assert given(fact, [f"The user has {value}." for value in values])
    assert not given(fact, [f"The user has {value}." for value in values[1:]])


def test_questions_are_counted_by_condition() -> None:
    assert counts([], ["untold", "new session"]) == {"new session": 40, "untold": 3}
    assert counts(["5", "untold=2"], ["untold", "new session"]) == {"new session": 5, "untold": 2}
    with pytest.raises(ValueError, match="nothing"):
        counts(["nothing=3"], ["untold"])


def test_a_run_with_other_options_is_not_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text(json.dumps({"seed": 1, "wish": {"facts": 40}}))
    assert [person["seed"] for person in stored(tmp_path, [1, 3], {"facts": 40})] == [1]
    with pytest.raises(SystemExit, match="other options"):
        stored(tmp_path, [1, 3], {"facts": 12})
