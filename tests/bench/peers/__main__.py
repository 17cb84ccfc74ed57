"""Peers benchmark (scripts/bench.sh peers): our system, a plain livekit-agents starter and Pipecat beside each other.

One machine, one livekit-server, one model server, one client; every visit of one system is followed by one of the next.
Measured: from the last sound of a spoken question to the first sound of its answer, and from the wish to come in to the
first sound of the greeting, for a first visit and for one who comes back. Writes peers.json and peers.png; visits of an
earlier run in the same folder are kept, so that it can be run in pieces.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from tests.bench.peers.guest import Answer, Guest
from tests.bench.peers.hearing import RATE, Samples, trimmed
from tests.bench.peers.rows import plot, summary
from tests.bench.peers.settled import settled
from tests.bench.peers.systems import OURS, SYSTEMS, System, running
from tests.support.aside import aside
from tests.support.report import machine, publish
from tests.support.speech import recognise, samples_of, say, sounds_like, wav, words
from tests.support.stack import Stack, running_stack

QUESTIONS: Final = (
    ("What is my cat called?", "pepper"),
    ("What do I like to drink in the evening?", "tea"),
    ("Which instrument do I play?", "cello"),
    ("Where do I want to travel?", "lisbon"),
    ("What colour is my cat?", "grey"),
    ("In which month do I want to travel?", "may"),
    ("What is the name of the city that I want to see?", "lisbon"),
    ("Which animal do I have?", "cat"),
    ("What is my name?", "robin"),
    ("Do I play the cello or the piano?", "cello"),
    ("Do I drink coffee or tea in the evening?", "tea"),
    ("Who is Pepper?", "cat"),
)
"""Each with a word that its right answer has. All systems are asked the same; no question comes twice in a run of four
visits, since what a model server said once it says sooner the third time."""
ASKED: Final = 3
"""Questions in each visit."""
AWAY: Final = 3.0
"""Seconds before the person is back."""


async def visit(system: System, questions: list[Samples], recording: Path | None) -> dict[str, Any]:
    await system.expect()
    wished = time.monotonic()
    async with Guest.at(await system.enter()) as guest:
        greeted = await guest.first_sound(wished)
        answers = []
        for question in questions:
            await guest.quiet()
            answers.append(await guest.ask(question))
        await guest.quiet()
        await system.left()
    if recording is not None:
        await asyncio.to_thread(recording.write_bytes, wav(guest.recording(), RATE))
    await asyncio.sleep(AWAY)
    wished_again = time.monotonic()
    async with Guest.at(await system.come_back()) as guest:
        again = await guest.first_sound(wished_again)
        await guest.quiet()
        await system.over()
    return {
        "first": None if greeted is None else greeted - wished,
        "return": None if again is None else again - wished_again,
        "answers": answers,
    }


def judged(answer: Answer, question: str, word: str, models: str) -> dict[str, Any]:
    said = recognise(answer.sound, models, rate=RATE) if len(answer.sound) else ""
    return {
        "question": question,
        "seconds": answer.seconds,
        "over": answer.over,
        "said": said,
        "right": sounds_like(word, words(said)),
    }


def places_of(number: int) -> list[int]:
    """Questions of one visit."""
    return [(number * ASKED + place) % len(QUESTIONS) for place in range(ASKED)]


async def one_visit(
    name: str, system: System, number: int, stack: Stack, spoken: list[Samples], recording: Path | None
) -> dict[str, Any]:
    await settled(stack)
    found = await visit(system, spoken, recording)
    models = stack.settings.models_url
    found["answers"] = [
        await asyncio.to_thread(judged, answer, *QUESTIONS[place], models)
        for answer, place in zip(found["answers"], places_of(number), strict=True)
    ]
    line = {"system": name, "visit": number} | found
    print(json.dumps(line), file=sys.stderr, flush=True)
    return line


async def questions(places: Iterable[int], models: str) -> dict[int, Samples]:
    """Spoken ahead."""
    texts = {place: QUESTIONS[place][0] for place in places}
    spoken = {
        place: await asyncio.to_thread(say, text, models, voice="am_michael", rate=RATE)
        for place, text in texts.items()
    }
    return {place: trimmed(samples_of(sound)) for place, sound in spoken.items()}


async def get_ready(system: System, question: Samples) -> None:
    """The first visit of all, which is not measured."""
    await system.expect()
    async with Guest.at(await system.enter()) as guest:
        await guest.first_sound(0.0)
        await guest.quiet()
        await guest.ask(question)
        await system.over()


async def measure(names: list[str], visits: int, before: list[dict[str, Any]], out: Path, record: bool) -> None:
    """Adds to `before`, visit by visit."""
    llm = {"VOICE_LLM_BASE_URL": "", "VOICE_LLM_MODEL": ""}
    async with aside(running_stack(**llm)) as stack, AsyncExitStack() as opened:
        systems = {name: await opened.enter_async_context(running(name, stack, out / "peers-logs")) for name in names}
        done = 1 + max((line["visit"] for line in before), default=-1)
        numbers = range(done, done + visits)
        spoken = await questions(
            {place for number in numbers for place in places_of(number)}, stack.settings.models_url
        )
        for system in systems.values():
            await get_ready(system, next(iter(spoken.values())))
        for number in numbers:
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                file = out / f"{name.split()[0]}.wav" if record and number == done else None
                asked = [spoken[place] for place in places_of(number)]
                before.append(await one_visit(name, systems[name], number, stack, asked, file))
                (out / "peers-visits.json").write_text(json.dumps(before, indent=2) + "\n")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, default=Path("build/bench"))
    options.add_argument("--visits", type=int, default=4, help=f"of each system, with {ASKED} questions each")
    options.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    options.add_argument("--fresh", action="store_true", help="forget the visits of earlier runs")
    options.add_argument("--record", action="store_true", help="a WAV of one visit of each: left the person")
    chosen = options.parse_args()
    kept = chosen.out / "peers-visits.json"
    chosen.out.mkdir(parents=True, exist_ok=True)
    lines = [] if chosen.fresh or not kept.exists() else json.loads(kept.read_text())
    asyncio.run(measure(chosen.systems, chosen.visits, lines, chosen.out.absolute(), chosen.record))
    publish(chosen.out, "peers", {"machine": machine(), "rows": summary(lines, OURS), "visits": lines}, plot)


if __name__ == "__main__":
    main()
