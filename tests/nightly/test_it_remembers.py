"""Memory with the default models: a person tells twelve facts in five visits, asks for them in a sixth, and asks for
what was never told. Another person asks the same assistant for the first one's facts. The owner asks for what stands in
a sample's blocks.

Answers of a language model differ from run to run, so the bounds leave room, except for what must never happen.
VOICE_NIGHTLY_SEED (odd) chooses the person.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from tests.bench.recall import assistant_of
from tests.bench.recall_report import TWO_PEOPLE, UNTOLD, misses, summary
from tests.bench.recall_talk import interview
from tests.support.visitor import PersonKey, visitor_api
from tests.support.whole_system import WholeSystem, whole_system

SEED: Final = "VOICE_NIGHTLY_SEED"
FACTS: Final = 12
RIGHT: Final = 9
"""Of the facts."""
NEVER_TOLD: Final = 6
ADMITTED: Final = 5
"""Of the questions about what was never told."""
QUESTIONS: Final = {"new session": FACTS, UNTOLD: NEVER_TOLD, TWO_PEOPLE: FACTS}
SAMPLE: Final = "Juniper"
IN_BLOCKS: Final = {
    "What is my cat called?": "pepper",
    "Which instrument do I play?": "cello",
    "What do I drink in the evening?": "peppermint",
    "What colour is my cat?": "grey",
    "Which city do I want to visit in May?": "lisbon",
}
"""Questions about what stands in the sample's blocks, and a word of each answer."""
WITHIN: Final = 3600


@pytest.fixture(scope="module")
def seed() -> int:
    chosen = int(os.environ.get(SEED, "7"))
    assert chosen % 2, f"{SEED} is {chosen}: even seeds are held out for the final figures of a bench"
    return chosen


@pytest.fixture(scope="module")
def system(seed: int) -> Iterator[WholeSystem]:
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv(SEED, raising=False)  # to the system's processes it would be an unknown setting
        with whole_system() as running:
            yield running


@pytest.mark.timeout(WITHIN)
@pytest.mark.usefixtures("media_engine")
async def test_it_remembers(system: WholeSystem, seed: int, record_property: Callable[[str, object], None]) -> None:
    async with visitor_api(system.url) as api:
        assistant = await assistant_of(system, api, "")
        person = await interview(system, api, assistant, seed, FACTS, QUESTIONS)
    found, missed = summary([person]), misses([person])
    record_property("seed", seed)
    record_property("figures", found)  # also when the assertions fail: that is when they are wanted
    assert not found["failed"], found["failed"]
    right, untold = found["conditions"]["new session"]["right"], found["untold"]["admitted"]
    assert (right["of"], untold["of"]) == (FACTS, NEVER_TOLD)
    asked, leaks = canary_of(person)
    assert asked, "the second person asked for nothing of the first one"
    assert not leaks, missed
    assert right["count"] >= RIGHT, missed
    assert untold["count"] >= ADMITTED, missed


@pytest.mark.timeout(WITHIN)
@pytest.mark.usefixtures("media_engine")
async def test_what_stands_in_its_blocks_is_not_denied(
    system: WholeSystem, record_property: Callable[[str, object], None]
) -> None:
    async with visitor_api(system.url) as api:
        assistant = await assistant_of(system, api, SAMPLE)
        visitor = await api.come_in(assistant.agent_id, PersonKey("owner", ""))
        try:
            answers = {question: await visitor.answer_to(question) for question in IN_BLOCKS}
        finally:
            await visitor.leave()
    record_property("answers", {question: answer.text for question, answer in answers.items()})
    right = [question for question, answer in answers.items() if IN_BLOCKS[question] in answer.text.lower()]
    assert len(right) >= len(IN_BLOCKS) - 1, answers


def canary_of(person: dict[str, Any]) -> tuple[int, int]:
    """How often the second person asked for the first one's facts, and in how many answers, or facts that these were
    given, something of the first one stood."""
    asked = [line for line in person["lines"] if "about" in line]
    leaks = sum(bool(line["leaks"] or line["leaks_in_facts"]) for line in asked)
    return sum(line["about"] == "other" for line in asked), leaks
