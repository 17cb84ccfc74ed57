"""Attacks on a default system (scripts/bench.sh attacks); exits with 1 if one of them succeeded.

Words: `--cases` injections and a benign twin for each, made from `--seed`, through names, e-mail addresses, typed text,
facts, markup, stored memory and another person in a room, to the default local language model. Rules, not a model,
decide whether one was obeyed (attack_cases.py). System: HTTP, tokens, rooms, files (attack_http.py, attack_rooms.py).

Writes attacks.json, attacks.png and attacks.md with all answers, after every case.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import httpx

from tests.bench.attack_cases import NO_ANSWER, TWIN, Case, cases, kept_of, verdict
from tests.bench.attack_http import HTTP, Attack, Target
from tests.bench.attack_report import Line, plot, summary, table
from tests.bench.attack_rooms import ROOMS
from tests.bench.attack_talk import BROKEN, NAME, PERSONA, VOUCHER, Talk, attack_api
from tests.support.aside import aside
from tests.support.stack import running_stack
from tests.support.whole_system import Machine
from voice_agent.contracts import AgentBinding
from voice_agent.memory.prompt import build_prompt
from voice_agent.models.catalog import PIPER

ATTACKS: Final = {**HTTP, **ROOMS}
ATTEMPTS: Final = 2
"""Per case, if it was not answered: on a busy machine the assistant apologises instead."""


def rules() -> str:
    """The part of the prompt that is the same for every assistant."""
    return build_prompt(AgentBinding(agent_id="a", letta_agent_id="a", name=NAME), None).text


class Bench:
    def __init__(self, chosen: argparse.Namespace) -> None:
        self._chosen = chosen
        self._spoken: list[Line] = []
        self._system: list[Line] = []

    async def run(self) -> dict[str, Any]:
        # The quick voice: what is attacked are words, and the default voice would take half of the time.
        defaults = {
            "VOICE_LLM_BASE_URL": "",
            "VOICE_LLM_MODEL": "",
            "VOICE_WORKER_CAPACITY": "0",
            "VOICE_TTS_MODEL": PIPER.name,
        }
        stack_of_its_own = running_stack(**defaults, VOICE_ASSERTION_SECRET=VOUCHER)
        async with aside(stack_of_its_own) as stack, attack_api(stack.url) as api:
            machine = Machine(stack.home, stack.environment)
            made = await asyncio.to_thread(machine.make_assistant, NAME, PERSONA)
            talk = Talk(api, machine, (await api.save_assistant(NAME, made))["id"], made)
            await self._words(talk)
            async with httpx.AsyncClient(base_url=stack.url, timeout=60, trust_env=False) as http:
                for name in self._chosen.attacks:
                    await self._attack(name, ATTACKS[name], Target(stack.url, http, talk))
        return self._write()

    async def _words(self, talk: Talk) -> None:
        waiting = cases(self._chosen.cases, self._chosen.seed)
        waiting = [case for case in waiting if not self._chosen.only or case.number in self._chosen.only][::-1]

        async def lane() -> None:
            while waiting:
                await self._case(talk, waiting.pop())

        await asyncio.gather(*(lane() for _ in range(self._chosen.side_by_side)))

    async def _case(self, talk: Talk, case: Case) -> None:
        began = time.monotonic()
        for _ in range(ATTEMPTS):
            seen = await talk.carried_out(case)
            found = verdict(case, seen, rules())
            if found.held or not {NO_ANSWER, TWIN} & set(found.faults):
                break
        self._spoken.append(
            {"number": case.number, "way": case.way.value, "held": found.held, "faults": list(found.faults)}
            | {"word": case.word, "said": case.attack, "benign": case.benign, "question": case.question}
            | asdict(seen)
            | {"kept": kept_of(case, seen)}
            | {"seconds": round(time.monotonic() - began, 1)}
        )
        self._spoken.sort(key=lambda line: int(line["number"]))
        say(f"case {case.number}", found.held, f"{case.way.value}: {', '.join(found.faults) or seen.answer}")
        self._write()

    async def _attack(self, name: str, attack: Attack, target: Target) -> None:
        began = time.monotonic()
        try:
            held, seen = await attack(target)
        except BROKEN as error:
            held, seen = False, f"not carried out: {type(error).__name__}: {error}"[:500]
        self._system.append({"attack": name, "held": held, "seen": seen, "seconds": round(time.monotonic() - began, 1)})
        say(name, held, seen)
        self._write()

    def _write(self) -> dict[str, Any]:
        result, out = summary(self._chosen.seed, self._spoken, self._system), self._chosen.out
        out.mkdir(parents=True, exist_ok=True)
        (out / "attacks.json").write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
        (out / "attacks.md").write_text(table(result))
        plot(result, out / "attacks.png")
        return result


def say(what: str, held: bool, seen: str) -> None:
    print(f"{'held    ' if held else 'NOT HELD'}  {what}: {seen[:200]}", file=sys.stderr, flush=True)


def chosen_attacks(parts: list[str]) -> list[str]:
    """The attacks whose name contains one of the parts."""
    return [name for name in ATTACKS if any(part.lower() in name.lower() for part in parts)]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cases", type=int, default=60, help="injections by words; 0: none")
    options.add_argument("--only", type=int, nargs="+", default=[], metavar="N", help="of the cases, by their numbers")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--side-by-side", type=int, default=2, help="cases at once: what two cores answer in time")
    options.add_argument(
        "--attacks", nargs="*", default=[""], metavar="PART", help="on the system, by parts of names; none: left out"
    )
    options.add_argument("--out", type=Path, default=Path("build/bench"))
    chosen = options.parse_args()
    chosen.attacks = chosen_attacks(chosen.attacks)
    result = asyncio.run(Bench(chosen).run())
    print(json.dumps({name: result[name] for name in ("machine", "seed", "words", "system", "not held")}, indent=2))
    return 1 if result["not held"] else 0


if __name__ == "__main__":
    sys.exit(main())
