"""Three days of voice conversation on the page of the default system (scripts/bench.sh three_days).

The page runs in a real Chromium, whose microphone receives synthetic speech. From day to day everything is restarted
with the system date moved ahead (VOICE_CLOCK_AHEAD). Writes three-days.md: the captions of the page, and the facts
that are known in the end.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
from playwright.sync_api import Browser, expect

from tests.support.browser import Visitor, chromium
from tests.support.eventually import eventually
from tests.support.speech import say
from tests.support.stack import running_stack
from tests.support.whole_system import Machine
from voice_agent.memory.facts.store import FactStore
from voice_agent.storage import Database

T = TypeVar("T")

ASSISTANT: Final = "Fern"
PERSONA: Final = "I am Fern, a calm and friendly companion. I speak in short sentences."
WITHIN: Final = 120_000.0


@dataclass(frozen=True)
class Day:
    ahead: int
    said: tuple[str, ...]


DAYS: Final = (
    Day(
        0,
        (
            "Hello, my name is Robin.",
            "My son Leo has a chess tournament tomorrow.",
            "And I am allergic to peanuts, so I always have to read the small print.",
            "Should I take him there by bus?",
        ),
    ),
    Day(
        1,
        (
            "It went well, Leo came second.",
            "We are getting a dog next week, and we want to call her Biscuit.",
            "Can you remind me what I am allergic to?",
        ),
    ),
    Day(
        6,
        (
            "How did Leo do at the chess tournament?",
            "What did we want to call the dog?",
            "And what is my favourite colour?",
            "When was the chess tournament?",
        ),
    ),
)


def beside(work: Coroutine[Any, Any, T]) -> T:
    """Runs `work` in another thread: Playwright runs a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


async def waiting(machine: Machine) -> int:
    """Number of turns that are not learned yet."""
    database = Database(machine.settings.effective_database_url)
    try:
        return (await FactStore(database).everybodys_standing()).pending
    finally:
        await database.close()


def await_learning(machine: Machine) -> None:
    left = eventually(lambda: beside(waiting(machine)), lambda count: not count, within=300, every=2)
    assert not left, f"nothing was learned from {left} turns"


async def known(machine: Machine, letta_agent_id: str) -> list[str]:
    database = Database(machine.settings.effective_database_url)
    try:
        store = FactStore(database)
        people = [person for agent, person in await store.people() if agent == letta_agent_id]
        return [fact.text for person in people for fact in await store.of_person(letta_agent_id, person)]
    finally:
        await database.close()


def talk(visitor: Visitor, url: str, agent: str, said: Sequence[str], models_url: str) -> Iterator[str]:
    """One visit; yields the captions of the page as Markdown."""
    visitor.call(url, agent)
    visitor.expect_answering(240)
    expect(visitor.answers.first).to_be_visible(timeout=WITHIN)
    for sentence in said:
        answered = visitor.answers.count()
        expect(visitor.find("headline")).to_have_attribute("data-mood", "listening", timeout=WITHIN)
        visitor.speak(say(sentence, models_url, before=0.3, after=1.5))
        expect(visitor.answers.nth(answered)).to_be_visible(timeout=WITHIN)
    expect(visitor.find("headline")).to_have_attribute("data-mood", "listening", timeout=WITHIN)
    for line in visitor.page.locator(f"{visitor.element('captions')} li[data-who]").all():
        who = "Robin" if line.get_attribute("data-who") == "me" else ASSISTANT
        yield f"**{who}:** {line.locator('.line-text').inner_text()}\n"
    visitor.leave()


def conversation(browser: Browser) -> Iterator[str]:
    defaults = {"VOICE_LLM_BASE_URL": "", "VOICE_LLM_MODEL": "", "VOICE_WORKER_CAPACITY": "0"}
    with running_stack(**defaults) as stack:
        machine = Machine(stack.home, stack.environment)
        letta_agent_id = machine.make_assistant(ASSISTANT, PERSONA)
        saved = httpx.post(
            f"{stack.url}/agents", json={"name": ASSISTANT, "letta_agent_id": letta_agent_id}, timeout=60
        ).raise_for_status()
        visitor = Visitor(browser.new_page())
        for day in DAYS:
            if day.ahead:
                machine = replace(machine, environment=machine.environment | {"VOICE_CLOCK_AHEAD": str(day.ahead)})
                machine.restart()
            yield f"## {datetime.now(UTC) + timedelta(days=day.ahead):%A %-d %B %Y}\n"
            yield from talk(visitor, stack.url, saved.json()["id"], day.said, machine.settings.models_url)
            await_learning(machine)
        yield "## What Fern knows in the end\n"
        yield from (f"- {text}" for text in beside(known(machine, letta_agent_id)))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, default=Path("build/bench"))
    chosen = options.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    with chromium() as browser, (chosen.out / "three-days.md").open("w") as out:
        for line in conversation(browser):
            print(line, flush=True)
            print(line, file=out, flush=True)


if __name__ == "__main__":
    main()
