"""Recall step by step (scripts/bench.sh recall_steps): is what was told learned, and found when it is asked for?

One person tells a whole pool of wording, in visits on different days; the real local models learn from it. Then every
question, and questions about what was never told, are put to recall. No rooms, no answers: minutes instead of hours.
Then the same facts stand in the assistant's block about its owner and nowhere else, under the person's name, and the
same questions are put again.

Writes recall_steps.json, recall_steps.png (told and untold, by the score that recall gives) and
recall_steps-misses.txt. Odd seeds only: even ones are held out for scripts/bench.sh recall.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any, Final

from sqlalchemy import update

from tests.bench.recall_cost import emptiness, models_at
from tests.bench.recall_people import DATES, VISITS, MadeUpPerson, foreign, made_up, pool_of, untold
from tests.bench.recall_report import share
from tests.bench.recall_talk import given
from tests.bench.recall_words.template import Kind
from tests.support.many_facts import put_facts
from tests.support.report import drawing, machine, publish
from voice_agent.memory.facts.learner import Learner
from voice_agent.memory.facts.propose import ChatProposer
from voice_agent.memory.facts.store import FactStore, Owner
from voice_agent.memory.model import Block, Turn
from voice_agent.memory.outbox import Outbox
from voice_agent.memory.recall.block_facts import block_facts
from voice_agent.memory.recall.embedder import HttpEmbedder
from voice_agent.memory.recall.recall import Recall
from voice_agent.memory.recall.second_look import ChatSecondLook, messages
from voice_agent.memory.tables import turns
from voice_agent.models.catalog import MPNET, QWEN
from voice_agent.observe.log import ReconnectLog
from voice_agent.providers.endpoints import NO_KEY, Endpoint
from voice_agent.providers.local_server import CHECK_AHEAD, CHECK_HEADERS, FACTS_HEADERS
from voice_agent.providers.prewarm import prewarm
from voice_agent.storage import Database

PERSON: Final = Owner("bench", "somebody")
LEARNED_WITHIN: Final = 1800.0
"""Seconds for all that one person tells."""
Line = dict[str, Any]


@dataclass(frozen=True)
class Llm:
    base_url: str
    api_key: str = NO_KEY
    model: str = QWEN.name


async def tell(database: Database, person: MadeUpPerson) -> None:
    """Every turn of the five visits, finished, and dated by the day of the visit."""
    outbox = Outbox(database)
    for visit in range(1, VISITS + 1):
        for number, said in enumerate(person.script(visit)):
            turn_id = f"visit {visit}, turn {number}"
            session, agent, who = f"visit {visit}", PERSON.letta_agent_id, PERSON.person_id
            await outbox.open_turn(Turn(turn_id, "thread", session, agent, 1, said.text, person_id=who))
            await outbox.finish_turn(turn_id, "I see.", interrupted=False)
            at = datetime.combine(DATES[visit - 1], time(10, number), UTC)
            async with database.begin() as connection:
                await connection.execute(update(turns).where(turns.c.turn_id == turn_id).values(created_at=at))


async def learn(database: Database, url: str, folder: Path) -> None:
    proposer = ChatProposer(Llm(url), FACTS_HEADERS)
    learner, store = Learner(database, proposer, ReconnectLog(folder / "learning.jsonl", "bench")), FactStore(database)
    try:
        async with asyncio.timeout(LEARNED_WITHIN):
            while (await store.standing(PERSON)).pending:
                await learner.run_due()
    finally:
        await proposer.aclose()


@asynccontextmanager
async def recall_of(database: Database, url: str) -> AsyncIterator[Recall]:
    embedder = HttpEmbedder(url, NO_KEY, MPNET.name, version=MPNET.version)
    second_look = ChatSecondLook(Llm(url), CHECK_HEADERS)
    llm = Endpoint("llm", url, NO_KEY, QWEN.name, local=True)
    await prewarm(llm, messages(("The user has a cat.",), ""), priority=CHECK_AHEAD)  # as `serve` does
    try:
        recall = Recall(database, embedder, PERSON, second_look=second_look)
        await recall.refresh()
        yield recall
    finally:
        await second_look.aclose()
        await embedder.aclose()


def in_block(facts: Sequence[str], name: str) -> Block:
    """As an author or Letta's own tools write it: in one text, about somebody with a name."""
    lines = (re.sub(r"\b[Tt]he user\b", name.split()[0], fact) for fact in facts)
    return Block("human", f"The person I talk to is called {name}. {' '.join(lines)}")


async def asked(recall: Recall, person: MadeUpPerson) -> list[Line]:
    every = [fact.text for fact in recall.known]
    lines: list[Line] = []
    for fact in person.facts:
        found = await recall.about(fact.question)
        shown = [one.text for one in found.facts]
        lines.append(
            {"question": fact.question, "kind": str(fact.kind), "told": fact.statement, "score": found.score}
            | {"learned": given(fact, every), "given": given(fact, shown), "facts": shown}
        )
    for never in untold(person.seed, len(pool_of(person.seed).untold)):
        found = await recall.about(never.question)
        shown = [one.text for one in found.facts]
        lines.append({"question": never.question, "told": "", "score": found.score, "facts": shown})
    return lines


def figures(lines: Sequence[Line]) -> dict[str, Any]:
    told, never = [line for line in lines if line["told"]], [line for line in lines if not line["told"]]
    return {
        "learned": share([line["learned"] for line in told]),
        "given": share([line["given"] for line in told]),
        "given, by kind": {
            kind: share([line["given"] for line in told if line["kind"] == kind])
            for kind in Kind
            if any(line["kind"] == kind for line in told)
        },
        "never told, and nothing given": share([not line["facts"] for line in never]),
    }


async def measure(chosen: argparse.Namespace) -> dict[str, Any]:
    people: dict[str, Any] = {}
    async with models_at(chosen.models_url) as url:
        for seed in chosen.seeds:
            person = made_up(seed, chosen.facts or len(pool_of(seed).templates))
            async with emptiness() as database:
                await tell(database, person)
                print(f"seed {seed}: {len(person.facts)} facts told", file=sys.stderr, flush=True)
                await learn(database, url, chosen.out)
                if chosen.among:
                    await put_facts(database, PERSON, foreign(seed, chosen.among, len(person.facts)))
                async with recall_of(database, url) as recall:
                    lines = await asked(recall, person)
                    learned = [fact.text for fact in recall.known]
            people[str(seed)] = figures(lines) | {"lines": lines}
            print(f"seed {seed}: {people[str(seed)]['given']} given", file=sys.stderr, flush=True)
            async with emptiness() as database, recall_of(database, url) as recall:
                recall.take_blocks(block_facts([in_block(learned, person.name)], PERSON))
                await recall.refresh()
                lines = await asked(recall, person)
            people[str(seed)]["in a block"] = figures(lines) | {"lines": lines}
            print(f"seed {seed}: {figures(lines)['given']} given of a block", file=sys.stderr, flush=True)
    return {"machine": machine(), "among": chosen.among, "seeds": people}


def misses(seeds: dict[str, Any]) -> str:
    return "".join(_missed(seed, line) for seed, found in seeds.items() for line in found["lines"])


def _missed(seed: str, line: Line) -> str:
    if line["told"] and line["given"]:
        return ""
    if not line["told"] and not line["facts"]:
        return ""
    what = line["told"] or "(never told)"
    facts = "; ".join(line["facts"]) or "none"
    return f"seed {seed}\n  told   {what}\n  asked  {line['question']}\n  given  {facts}\n  score  {line['score']}\n\n"


def plot(result: dict[str, Any], path: Path) -> None:
    with drawing(path, 7, 4) as axes:
        for seed, found in result["seeds"].items():
            for name, style, lines in (
                ("told", "-", [line for line in found["lines"] if line["told"]]),
                ("never told", "--", [line for line in found["lines"] if not line["told"]]),
            ):
                scores = sorted(_scores(lines))
                shares = [100 * (1 - place / len(lines)) for place in range(len(scores))]
                axes.step(scores, shares, style, where="post", label=f"seed {seed}, {name}")
        axes.set_xlabel("score of the best turn, with the odds of a second look")
        axes.set_ylabel("% of the questions at or above it")
        axes.legend(fontsize=8)


def _scores(lines: Iterable[Line]) -> list[float]:
    return [line["score"] for line in lines if line["score"] is not None]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, nargs="+", default=[1, 3], help="odd; 1 and 3 are different pools")
    options.add_argument("--facts", type=int, default=0, help="that a person tells; 0: the whole pool")
    options.add_argument("--among", type=int, default=0, help="other facts of the same person")
    options.add_argument("--models-url", default="", help="of a running model server (http://127.0.0.1:8290/v1)")
    options.add_argument("--out", type=Path, default=Path("build/bench"))
    chosen = options.parse_args()
    if any(seed % 2 == 0 for seed in chosen.seeds):
        options.error("--seeds are odd: the even ones are held out.")
    chosen.out.mkdir(parents=True, exist_ok=True)
    result = asyncio.run(measure(chosen))
    (chosen.out / "recall_steps-misses.txt").write_text(misses(result["seeds"]))
    publish(chosen.out, "recall_steps", result, plot)


if __name__ == "__main__":
    main()
