"""Interview of one made-up person for scripts/bench.sh recall: five visits to tell, then questions under conditions."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from subprocess import SubprocessError
from typing import Any, Final

import httpx
from livekit import rtc

from tests.bench.recall_people import VISITS, MadeUpPerson, ToldFact, chatter, foreign, made_up, untold
from tests.bench.recall_report import TWO_PEOPLE, UNTOLD, Line
from tests.bench.recall_score import Outcome, leaked, telling, untold_verdict, verdict
from tests.bench.recall_words.template import Kind
from tests.support.aside import aside
from tests.support.visitor import Answer, PersonKey, Visitor, VisitorApi
from tests.support.whole_system import WholeSystem
from voice_agent.errors import VoiceAgentError

LEARNED_WITHIN: Final = 600.0
FOREIGN: Final = 2000
OF_THE_SECOND: Final = 6
"""Facts that the second person tells."""
SECOND: Final = 1_000_000
"""Offset to the first person's seed; a multiple of four, so that both use the same pool of wording."""


@dataclass(frozen=True)
class Assistant:
    agent_id: str
    letta_agent_id: str


@dataclass
class Talk:
    system: WholeSystem
    api: VisitorApi
    assistant: Assistant
    seed: int
    count: int
    """Number of facts."""
    questions: dict[str, int]
    """Number of questions per condition."""
    who: PersonKey
    dates: list[date] = field(default_factory=lambda: [date.today()] * (VISITS + 1))
    lines: list[Line] = field(default_factory=list)
    visits: list[dict[str, Any]] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)

    @property
    def person(self) -> MadeUpPerson:
        """The person with the actual dates: a run may pass midnight, or the clock may be moved."""
        return made_up(self.seed, self.count, self.dates)

    # --- telling ---

    async def tell_everything(self) -> None:
        for visit in range(1, VISITS + 1):
            self.dates[visit - 1 :] = [date.today()] * (VISITS + 2 - visit)
            script = [said.text for said in self.person.script(visit)]
            self.visits.append({"visit": visit} | await self.tell(self.who, script))
            self.say(f"visit {visit}: {len(script)} said, learned after {self.visits[-1]['seconds']:g} s")

    async def tell(self, who: PersonKey, script: Sequence[str]) -> dict[str, Any]:
        """Tells the script in a new session. Returns the result of learning and the transcript."""
        async with self.visit(who) as visitor:
            answers = [await visitor.answer_to(text) for text in script]
        learned = await self.api.learned(self.assistant.agent_id, who, LEARNED_WITHIN)
        transcript = [{"said": said, "answer": answer.text} for said, answer in zip(script, answers, strict=True)]
        return learned | {"transcript": transcript}

    @asynccontextmanager
    async def visit(self, who: PersonKey | None = None) -> AsyncIterator[Visitor]:
        visitor = await self.api.come_in(self.assistant.agent_id, who or self.who)
        try:
            yield visitor
        finally:
            await gone(visitor)

    def say(self, text: str) -> None:
        print(f"seed {self.seed}: {text}", file=sys.stderr, flush=True)

    # --- asking ---

    def chosen(self, condition: str) -> list[ToldFact]:
        """Facts to ask for, those that no condition has asked for first."""
        facts = list(self.person.facts)
        random.Random(f"{condition} {self.seed}").shuffle(facts)
        facts.sort(key=lambda fact: fact.fact_id in self.asked)
        some = facts[: self.questions[condition]]
        self.asked.update(fact.fact_id for fact in some)
        return some

    async def ask_facts(self, visitor: Visitor, condition: str) -> None:
        self.dates[-1] = date.today()
        for fact in self.chosen(condition):
            answer = await visitor.answer_to(fact.question)
            self.lines.append(told_line(condition, fact, answer))


async def gone(visitor: Visitor) -> None:
    try:
        await visitor.leave()
    except httpx.HTTPError:
        await visitor.hang_up()
        raise


def told_line(condition: str, fact: ToldFact, answer: Answer) -> Line:
    found = verdict(fact.question, answer.text, fact.accepted, fact.rejected)
    return _line(condition, fact.kind, fact.attribute, fact.question, answer) | {
        "told": [text for text in (fact.before, fact.statement) if text],
        "expected": [list(group) for group in fact.accepted],
        "outcome": found.outcome.value,
        "wrong_person": found.wrong_person,
        "retrieved": None if answer.facts is None else given(fact, answer.facts),
    }


def _line(condition: str, kind: str, attribute: str, question: str, answer: Answer) -> Line:
    return {
        "condition": condition,
        "kind": str(kind),
        "attribute": attribute,
        "question": question,
        "answer": answer.text,
        "facts": None if answer.facts is None else list(answer.facts),
        "first_piece_s": answer.first_piece_s,
    }


def given(fact: ToldFact, facts: Sequence[str]) -> bool:
    """Whether the model's facts contain the answer. A list may be spread over several facts."""
    every = " ".join(facts)
    if fact.kind is Kind.NEGATION:
        words = {word for word in fact.statement.casefold().rstrip(".").split() if len(word) > 3}
        every = " ".join(one for one in facts if words & set(one.casefold().rstrip(".").split()))
    # The old value may be there, too: the model must choose the valid one.
    return verdict(fact.question, every, fact.accepted).outcome == Outcome.RIGHT


# --- the conditions ---


async def new_session(talk: Talk, condition: str) -> None:
    async with talk.visit() as visitor:
        await talk.ask_facts(visitor, condition)


async def after_reset(talk: Talk, condition: str) -> None:
    async with talk.visit() as visitor:
        await visitor.answer_to(chatter(talk.seed)[0])
    again = await talk.api.come_back(visitor, talk.who)
    try:
        await talk.ask_facts(again, condition)
    finally:
        await gone(again)


async def after_restart(talk: Talk, condition: str) -> None:
    assert talk.system.machine is not None
    await talk.api.end_sessions()
    await asyncio.to_thread(talk.system.machine.restart)
    await new_session(talk, condition)


async def letta_away(talk: Talk, condition: str) -> None:
    assert talk.system.machine is not None
    async with aside(talk.system.machine.without_letta()):
        await new_session(talk, condition)


async def among_others(talk: Talk, condition: str) -> None:
    assert talk.system.machine is not None
    texts = foreign(talk.seed, FOREIGN, talk.count)
    await talk.system.machine.add_facts(talk.assistant.letta_agent_id, talk.who.person_id, texts)
    await new_session(talk, condition)


async def never_told(talk: Talk, condition: str) -> None:
    async with talk.visit() as visitor:
        for one in untold(talk.seed, talk.questions[condition]):
            answer = await visitor.answer_to(one.question)
            found = untold_verdict(one.question, answer.text)
            talk.lines.append(
                _line(condition, UNTOLD, one.attribute, one.question, answer)
                | {"told": [], "expected": "that it was not told", "retrieved": None}
                | {"outcome": found.outcome.value, "wrong_person": found.wrong_person}
            )


async def two_people(talk: Talk, condition: str) -> None:
    """A second person asks for the first one's facts with the first one's questions, and for a few own facts."""
    other = await talk.api.new_person()
    own = made_up(talk.seed + SECOND, OF_THE_SECOND, [date.today()] * (VISITS + 1))
    script = [said.text for visit in range(1, VISITS + 1) for said in own.script(visit)]
    await talk.tell(other, script)
    has = {fact.attribute for fact in own.facts}
    theirs = [key for fact in talk.person.facts for group in fact.accepted for key in group if telling(key)]
    foreign_facts = [fact for fact in talk.chosen(condition) if fact.attribute not in has]
    async with talk.visit(other) as visitor:
        for about, fact in [("other", fact) for fact in foreign_facts] + [("own", fact) for fact in own.facts]:
            answer = await visitor.answer_to(fact.question)
            talk.lines.append(
                told_line(condition, fact, answer)
                | {"about": about, "leaks": leaked(answer.text, fact.question, theirs, script)}
                | {"leaks_in_facts": leaked(" ".join(answer.facts or ()), "", theirs, script)}
            )


Condition = Callable[[Talk, str], Awaitable[None]]
CONDITIONS: Final[dict[str, Condition]] = {
    "new session": new_session,
    "after reset": after_reset,
    UNTOLD: never_told,
    TWO_PEOPLE: two_people,
    "letta away": letta_away,
    "after restart": after_restart,
    "among 2000": among_others,
}
"""In this order: conditions that change the system come later, and the facts added by the last one stay."""
NEEDS_MACHINE: Final = ("letta away", "after restart", "among 2000")
QUESTIONS: Final = {"new session": 40, UNTOLD: 3}
"""Questions per person in conditions with another number than FEW."""
FEW: Final = 10


BROKEN: Final = (AssertionError, TimeoutError, SubprocessError, VoiceAgentError, httpx.HTTPError, rtc.ConnectError)


async def interview(
    system: WholeSystem, api: VisitorApi, assistant: Assistant, seed: int, count: int, questions: dict[str, int]
) -> dict[str, Any]:
    """All results for one person. A failed condition is recorded, and the next one runs."""
    talk = Talk(system, api, assistant, seed, count, questions, await api.new_person())
    await talk.tell_everything()
    for name in questions:
        before = len(talk.lines)
        try:
            await CONDITIONS[name](talk, name)
        except BROKEN as error:
            talk.lines.append({"condition": name, "failed": f"{type(error).__name__}: {error}"[:500]})
        outcomes = [line.get("outcome", "failed") for line in talk.lines[before:]]
        talk.say(f"{name}: {', '.join(f'{outcomes.count(one)} {one}' for one in dict.fromkeys(outcomes))}")
    await api.end_sessions()
    _mark_what_was_not_given(talk.lines)
    dates = [str(day) for day in talk.dates]
    return {"seed": seed, "name": talk.person.name, "dates": dates, "visits": talk.visits, "lines": talk.lines}


def _mark_what_was_not_given(lines: Sequence[Line]) -> None:
    """The agent reports the facts of an answer. If it reports any at all, an answer without a report used none."""
    if any(line.get("facts") is not None for line in lines):
        for line in lines:
            if "retrieved" in line and line["retrieved"] is None and line["condition"] != UNTOLD:
                line["retrieved"] = False
