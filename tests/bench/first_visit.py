"""First visit benchmark (scripts/bench.sh first_visit): where the time goes from the wish to come in to the greeting.

Each visit begins when the work after the last one is done. The client's own marks and the lines of the reconnect log
are on one clock (the host's). Writes first_visit.json, with the milliseconds since the wish at which each step was
done, and first_visit.png.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from livekit import rtc

from tests.bench.peers.guest import Guest
from tests.bench.peers.settled import settled
from tests.bench.peers.systems import OURS, running
from tests.support.aside import aside
from tests.support.report import draw_spreads, machine, publish, spread
from tests.support.stack import running_stack
from voice_agent.contracts import LogEvent

GREETED: Final = "client: greeting audible"


async def first_visit(guest_room: rtc.Room, enter: Any) -> tuple[float, dict[str, float]]:
    """The clock at the wish, and the marks of the client."""
    marks: dict[str, float] = {}

    def mark(name: str) -> None:
        marks.setdefault(f"client: {name}", time.monotonic())

    guest_room.on("participant_connected", lambda *_: mark("assistant in the room"))
    guest_room.on("track_published", lambda *_: mark("track published"))
    guest_room.on("track_subscribed", lambda *_: mark("track subscribed"))
    wished = time.monotonic()
    ticket = await enter()
    mark("token")
    async with Guest.at(ticket, guest_room) as guest:
        mark("microphone open")
        greeted = await guest.first_sound(wished)
        assert greeted is not None, "no greeting"
        marks[GREETED] = greeted
        if guest.heard:
            marks["client: first frame of the track"] = guest.heard[0].at
        await guest.quiet()
    return wished, marks


def steps(lines: Iterable[Mapping[str, Any]], wished: float, greeted: float) -> dict[str, float]:
    """Clock at the first line of each kind between the wish and the greeting, of the room of this visit."""
    found: dict[str, float] = {}
    at_the_time = [line for line in lines if wished <= line["mono"] <= greeted + 0.5]
    rooms = {line["room"] for line in at_the_time if line["event"] == LogEvent.DISPATCH}
    for line in at_the_time:
        if line["room"] not in rooms:
            continue
        fields = line["fields"]
        name = f"{line['process']}: {line['event']}"
        if line["event"] == LogEvent.EFFECT:
            name += f" {fields.get('effect', '')} {fields.get('outcome', '')}"
            if (took := fields.get("duration_ms")) is not None:
                found.setdefault(f"{name} (begun)", line["mono"] - took / 1000)
        elif line["event"] == LogEvent.TRANSITION:
            name += f" {fields.get('from', '')} → {fields.get('to', '')} ({fields.get('trigger', '')})"
        found.setdefault(name, line["mono"])
    return found


async def measure(visits: int, out: Path) -> list[dict[str, float]]:
    llm = {"VOICE_LLM_BASE_URL": "", "VOICE_LLM_MODEL": ""}
    all_found: list[dict[str, float]] = []
    async with aside(running_stack(**llm)) as stack, AsyncExitStack() as opened:
        ours = await opened.enter_async_context(running(OURS, stack, out))
        log = stack.settings.reconnect_log
        for number in range(visits + 1):
            await settled(stack)
            before = log.stat().st_size if log.exists() else 0
            await ours.expect()
            wished, marks = await first_visit(rtc.Room(), ours.enter)
            await ours.over()
            with log.open() as file:
                file.seek(before)
                seen = steps(map(json.loads, file), wished, marks[GREETED])
            if number:  # the very first visit is not measured
                all_found.append({name: round(1000 * (at - wished)) for name, at in (marks | seen).items()})
    return all_found


def in_order(found: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    names = dict.fromkeys(name for one in found for name in one)
    spreads = {name: spread([one[name] for one in found if name in one], digits=0) for name in names}
    return dict(sorted(spreads.items(), key=lambda item: item[1]["p50"]))


def plot(result: dict[str, Any], path: Path) -> None:
    draw_spreads(result["ms since the wish"], path, "milliseconds since the wish to come in")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, default=Path("build/bench"))
    options.add_argument("--visits", type=int, default=8)
    chosen = options.parse_args()
    found = asyncio.run(measure(chosen.visits, chosen.out.absolute()))
    result = {"machine": machine(), "ms since the wish": in_order(found), "visits": found}
    publish(chosen.out, "first_visit", result, plot)


if __name__ == "__main__":
    main()
