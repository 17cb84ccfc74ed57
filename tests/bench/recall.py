"""Recall benchmark (scripts/bench.sh recall): made-up people tell facts in five visits, and ask for them in a sixth.

The system is the default one with the default local models, used as a client uses it: HTTP and a LiveKit room. Writes
recall.json and recall.png (counts with 95 % intervals, by kind and by condition), the transcript of every miss into
recall-misses.txt, and recall/SEED.json for each person. The same command continues an interrupted run.

Odd seeds are for improving the system; even ones, whose wording is held out, are for the final figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.recall_report import misses, plot, summary
from tests.bench.recall_talk import CONDITIONS, FEW, NEEDS_MACHINE, QUESTIONS, Assistant, interview
from tests.support.aside import aside
from tests.support.visitor import VisitorApi, visitor_api
from tests.support.whole_system import WholeSystem, whole_system

NAME = "Fern"
PERSONA = "I am Fern, a calm and friendly companion. I speak in short sentences."


async def assistant_of(system: WholeSystem, api: VisitorApi, name: str) -> Assistant:
    """The assistant with this name or id; without a name a new one without facts."""
    if not name:
        assert system.machine is not None
        made = await asyncio.to_thread(system.machine.make_assistant, NAME, PERSONA)
        saved = await api.save_assistant(NAME, made)
        return Assistant(saved["id"], made)
    known = await api.agents()
    found = next((agent for agent in known if name in (agent["name"], agent["id"])), None)
    if found is None:
        raise SystemExit(f"There is no assistant {name}; there are: {', '.join(agent['name'] for agent in known)}.")
    return Assistant(found["id"], found["letta_agent_id"])


def stored(folder: Path, seeds: Sequence[int], wish: dict[str, Any]) -> list[dict[str, Any]]:
    """People of an earlier run. Exits if that run had other options: the figures would not be comparable."""
    people = [json.loads(path.read_text()) for seed in seeds if (path := folder / f"{seed}.json").exists()]
    if unlike := [person["seed"] for person in people if person["wish"] != wish]:
        raise SystemExit(f"{folder} holds seeds {unlike} of a run with other options: choose another --out.")
    return people


def write(out: Path, people: Sequence[dict[str, Any]]) -> None:
    ordered = sorted(people, key=lambda person: int(person["seed"]))
    result = summary(ordered)
    (out / "recall-misses.txt").write_text(misses(ordered))
    (out / "recall.json").write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    plot(result, out / "recall.png")


async def measure(chosen: argparse.Namespace, questions: dict[str, int]) -> list[dict[str, Any]]:
    seeds = [chosen.seed + 2 * number for number in range(chosen.people)]
    folder, wish = chosen.out / "recall", {"facts": chosen.facts, "questions": questions}
    people = stored(folder, seeds, wish)
    missing = [seed for seed in seeds if seed not in {person["seed"] for person in people}]
    folder.mkdir(parents=True, exist_ok=True)
    if missing:
        async with aside(whole_system(chosen.url, chosen.home)) as system, visitor_api(system.url) as api:
            assistant = await assistant_of(system, api, chosen.agent)
            for seed in missing:
                person = await interview(system, api, assistant, seed, chosen.facts, questions)
                people.append(person | {"wish": wish})
                (folder / f"{seed}.json").write_text(json.dumps(people[-1], indent=2, ensure_ascii=False) + "\n")
                write(chosen.out, people)
    return people


def counts(wishes: Sequence[str], conditions: Sequence[str]) -> dict[str, int]:
    """Number of questions per condition, from options such as "5" and "untold=3"."""
    found = {name: QUESTIONS.get(name, FEW) for name in CONDITIONS if name in conditions}
    for wish in wishes:
        name, _, number = wish.rpartition("=")
        if name and name not in CONDITIONS:
            raise ValueError(f"no condition is called {name}")
        found |= {one: int(number) for one in found if name in ("", one)}
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--people", type=int, default=10)
    options.add_argument("--facts", type=int, default=40, help="that each person tells")
    options.add_argument("--seed", type=int, default=1, help="of the first person; the next one has 2 more")
    options.add_argument("--conditions", nargs="+", default=list(CONDITIONS), choices=list(CONDITIONS), metavar="NAME")
    options.add_argument(
        "--questions", nargs="+", default=[], metavar="[CONDITION=]N", help="per person, in every or in one condition"
    )
    options.add_argument("--url", default="", help="of a system that is up already")
    options.add_argument("--home", type=Path, help="its VOICE_HOME: needed to restart it, and the like")
    options.add_argument("--agent", default="", metavar="NAME", help="an assistant that is there; otherwise a new one")
    options.add_argument("--out", type=Path, default=Path("build/bench"))
    chosen = options.parse_args()
    try:
        questions = counts(chosen.questions, chosen.conditions)
    except ValueError as error:
        options.error(f"--questions: {error}")
    if chosen.url and not chosen.home:
        if not chosen.agent:
            options.error("With --url and without --home, name an assistant with --agent.")
        if left := [name for name in NEEDS_MACHINE if questions.pop(name, None)]:
            print(f"Left out, because they need --home: {', '.join(left)}.", file=sys.stderr)
    write(chosen.out, asyncio.run(measure(chosen, questions)))
    print((chosen.out / "recall.json").read_text(), end="")


if __name__ == "__main__":
    main()
