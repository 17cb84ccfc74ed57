"""Steps of recall: what the bench counts, and what it prints of a miss."""

from __future__ import annotations

from typing import Any

from tests.bench.recall_cost import emptiness
from tests.bench.recall_people import made_up
from tests.bench.recall_steps import PERSON, figures, misses, tell
from voice_agent.memory.facts.store import FactStore

FOUND: dict[str, Any] = {"question": "Where do I live?", "kind": "name", "told": "I live in Oslo.", "score": 3.0}
LINES = [
    FOUND | {"learned": True, "given": True, "facts": ["The user lives in Oslo."]},
    FOUND | {"learned": True, "given": False, "facts": [], "score": -3.0},
    {"question": "What is my cat called?", "told": "", "score": None, "facts": []},
    {"question": "How old am I?", "told": "", "score": 0.5, "facts": ["The user has a son."]},
]


def test_told_and_never_told_are_counted_apart() -> None:
    found = figures(LINES)
    assert (found["learned"]["count"], found["given"]["count"], found["given"]["of"]) == (2, 1, 2)
    assert found["given, by kind"]["name"]["share"] == 0.5
    assert (found["never told, and nothing given"]["count"], found["never told, and nothing given"]["of"]) == (1, 2)


def test_every_miss_is_written_down_and_nothing_else() -> None:
    told = misses({"1": {"lines": LINES}})
    assert told.count("seed 1") == 2
    assert "(never told)" in told
    assert "given  none" in told


async def test_all_that_a_person_says_is_due_to_be_learned() -> None:
    person = made_up(1, 5)
    async with emptiness() as database:
        await tell(database, person)
        standing = await FactStore(database).standing(PERSON)
    assert standing.pending == sum(len(person.script(visit)) for visit in range(1, 6))
