"""Made-up people for scripts/bench.sh recall: their statements in five visits, and their questions in the sixth.

Pure and deterministic. Odd and even seeds share no wording and few attributes (recall_words/): improvements are made
with odd seeds and measured with even ones.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from tests.bench.recall_words.as_heard import as_heard
from tests.bench.recall_words.drawing import Drawing, Value, filled, slots
from tests.bench.recall_words.foreign import sentences
from tests.bench.recall_words.template import EVEN, HARDER, ODD, Kind, Pool, Template

VISITS: Final = 5
DATES: Final = tuple(date(2026, 11, 2) + timedelta(days=3 * visit) for visit in range(VISITS + 1))
"""Dates of the five visits and of the visit with the questions."""
STATEMENTS_PER_CHATTER: Final = 3


@dataclass(frozen=True, slots=True)
class ToldFact:
    fact_id: str
    kind: Kind
    attribute: str
    visit: int
    """From 1. For a correction: the visit of the correction."""
    statement: str
    question: str
    accepted: tuple[tuple[str, ...], ...]
    """One key of every group must be in an answer (keys: recall_match.py)."""
    rejected: tuple[str, ...] = ()
    """Any of them makes an answer wrong."""
    before: str = ""
    """For a correction: the statement that is corrected."""
    before_visit: int = 0


@dataclass(frozen=True, slots=True)
class Untold:
    attribute: str
    question: str


@dataclass(frozen=True, slots=True)
class Said:
    text: str
    fact_id: str = ""
    """Empty if it holds no fact."""


@dataclass(frozen=True, slots=True)
class MadeUpPerson:
    seed: int
    name: str
    dates: tuple[date, ...]
    facts: tuple[ToldFact, ...]
    used: frozenset[str]
    """Every value in the told facts, in lower case."""

    def script(self, visit: int) -> list[Said]:
        """The messages of a visit in order, with some chatter in between."""
        told = [Said(fact.before, fact.fact_id) for fact in self.facts if fact.before_visit == visit]
        told += [Said(fact.statement, fact.fact_id) for fact in self.facts if fact.visit == visit]
        rng = random.Random(f"script {self.seed} {visit}")
        rng.shuffle(told)
        talk = iter(chatter(self.seed)[visit:] + chatter(self.seed))
        lines: list[Said] = []
        for number, one in enumerate(told, 1):
            lines.append(one)
            if number % STATEMENTS_PER_CHATTER == 0:
                lines.append(Said(next(talk)))
        return lines


def pool_of(seed: int) -> Pool:
    """Every second odd seed has the harder wording."""
    return EVEN if seed % 2 == 0 else ODD if seed % 4 == 1 else HARDER


def made_up(seed: int, facts: int = 40, dates: Sequence[date] = DATES) -> MadeUpPerson:
    pool, rng = pool_of(seed), random.Random(f"person {seed}")
    drawing = Drawing(rng, pool, dates[-1])
    own = {"own": drawing.value("given", dates[0]), "ownlast": drawing.value("surname", dates[0])}
    chosen = _chosen(rng, pool, facts)
    visits = [1 + number % VISITS for number in range(len(chosen))]
    rng.shuffle(visits)
    told = []
    for number, (template, visit) in enumerate(zip(chosen, visits, strict=True)):
        fact_id = f"{seed}-{number:02}"
        told.append(_told(rng, pool, drawing, template, fact_id, visit, dates, own))
    return MadeUpPerson(
        seed, f"{own['own'].spoken} {own['ownlast'].spoken}", tuple(dates), tuple(told), frozenset(drawing.used)
    )


def _chosen(rng: random.Random, pool: Pool, count: int) -> list[Template]:
    """Equally many templates of every kind, as far as possible, always with the person's own name."""
    ways = {kind: [one for one in pool.templates if one.kind is kind] for kind in Kind}
    for some in ways.values():
        rng.shuffle(some)
    ways[Kind.NAME].sort(key=lambda template: template.attribute != "own name")
    if not 0 < count <= len(pool.templates):
        raise ValueError(f"A person has 1 to {len(pool.templates)} facts.")
    in_turn = [some[place] for place in range(len(pool.templates)) for some in ways.values() if place < len(some)]
    return in_turn[:count]


def _told(
    rng: random.Random,
    pool: Pool,
    drawing: Drawing,
    template: Template,
    fact_id: str,
    visit: int,
    dates: Sequence[date],
    own: dict[str, Value],
) -> ToldFact:
    before_visit = 0
    if template.later:
        visit = max(visit, 2)
        before_visit = rng.randint(1, visit - 1)
    values = drawing.values((template.says, template.later), dates[visit - 1], own)
    statement = filled(template.later or template.says, values)
    if template.kind is Kind.BY_VOICE:
        statement = as_heard(rng, pool, statement, [values[slot] for slot in slots(template.says)])
    accepted = tuple(keys(group, values) for group in template.answer.split(" & "))
    return ToldFact(
        fact_id=fact_id,
        kind=template.kind,
        attribute=template.attribute,
        visit=visit,
        statement=statement,
        question=filled(template.asks, values),
        accepted=accepted,
        rejected=keys(template.wrong, values) if template.wrong else (),
        before=filled(template.says, values) if template.later else "",
        before_visit=before_visit,
    )


def keys(group: str, values: dict[str, Value]) -> tuple[str, ...]:
    """The keys of alternatives such as `{given} | {surname}` or `no`."""
    found: list[str] = []
    for alternative in group.split(" | "):
        found += values[alternative[1:-1]].keys if alternative.startswith("{") else (f"answer:{alternative}",)
    return tuple(found)


def untold(seed: int, count: int) -> list[Untold]:
    """Questions about facts that were never told, on attributes of no told fact."""
    ways = list(pool_of(seed).untold)
    random.Random(f"untold {seed}").shuffle(ways)
    return [Untold(*way) for way in ways[:count]]


def chatter(seed: int) -> list[str]:
    """Turns that hold no fact."""
    turns = list(pool_of(seed).chatter)
    random.Random(f"chatter {seed}").shuffle(turns)
    return turns


def foreign(seed: int, count: int, facts: int = 40) -> list[str]:
    """Other facts of the person, in the third person; none of them answers a question or contradicts a told fact."""
    return sentences(random.Random(f"foreign {seed}"), count, made_up(seed, facts).used)
