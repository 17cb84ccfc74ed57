"""CPU cost of an idle system (scripts/bench.sh idle).

The default system is started; one person visits, types a question and leaves. After --after minutes the CPU time of
every process of it, read from /proc, is counted for --minutes. An agent leaves its empty room five minutes after the
last visit: with a shorter --after its job is counted, too. CPU time, not wall time: other load on the machine changes
little.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from tests.support.caller import Caller, control_api
from tests.support.report import drawing, machine, publish
from tests.support.stack import Stack, running_stack
from voice_agent.stack import state
from voice_agent.stack.processes import marked

LIMIT: Final = 3.0
"""Per cent of one core, all services together."""
QUESTION: Final = "What do you like about the sea?"
SUPERVISOR: Final = "supervisor"
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_LOOK_EVERY: Final = 60.0


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds of one process and of its ended children."""

    service: str
    command: str
    seconds: float


def usage(home: Path) -> dict[int, Usage]:
    """Usage of every process of the system in `home`, by pid."""
    running = state.load(home)
    assert running is not None
    found = dict(_read(SUPERVISOR, [running.supervisor.pid]))
    for service in running.services:
        if service.process is not None and (process := service.process.process()):
            # Postgres overwrites its environment and so the mark: its children are found by parentage.
            pids = {one.pid for one in (process, *process.children(recursive=True), *marked(running.run, service.name))}
            found.update(_read(service.name, sorted(pids)))
    return found


def _read(service: str, pids: list[int]) -> Iterator[tuple[int, Usage]]:
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            command = " ".join(psutil.Process(pid).cmdline())
        except (OSError, psutil.NoSuchProcess):
            continue  # the process has ended
        # utime, stime, cutime, cstime: times of reaped children are added to their parent.
        yield pid, Usage(service, command[:120], sum(map(int, fields[11:15])) / _TICKS)


def spent(before: Mapping[int, Usage], after: Mapping[int, Usage]) -> dict[str, float]:
    """CPU seconds per service between two readings. A process that started meanwhile counts completely."""
    services: dict[str, float] = {}
    for pid, now in after.items():
        then = before[pid].seconds if pid in before else 0.0
        services[now.service] = services.get(now.service, 0.0) + now.seconds - then
    return services


def per_cent(seconds: float, wall: float) -> float:
    return round(100 * seconds / wall, 3)


async def visited(stack: Stack, caller: Caller) -> None:
    """One complete visit."""
    await caller.greeting()
    await caller.ask(QUESTION)
    await caller.leave()


async def counted(home: Path, minutes: float) -> dict[str, Any]:
    began, first = time.monotonic(), usage(home)
    before, at, by_minute = first, began, []
    while (left := began + 60 * minutes - time.monotonic()) > 0:
        await asyncio.sleep(min(_LOOK_EVERY, left))
        after, now = usage(home), time.monotonic()
        by_minute.append(per_cent(sum(spent(before, after).values()), now - at))
        before, at = after, now
    wall, services = at - began, spent(first, before)
    processes = [
        {"service": one.service, "pid": pid, "command": one.command, "cpu_seconds": round(one.seconds - then, 2)}
        for pid, one in before.items()
        for then in [first[pid].seconds if pid in first else 0.0]
    ]
    rows = {
        name: {"cpu_seconds": round(seconds, 2), "per_cent_of_a_core": per_cent(seconds, wall)}
        for name, seconds in sorted(services.items(), key=lambda one: -one[1])
    }
    return {
        "seconds": round(wall, 1),
        "limit": LIMIT,
        "per_cent_of_a_core": per_cent(sum(services.values()), wall),
        "services": rows,
        "by_minute": by_minute,
        "processes": sorted(processes, key=lambda one: -float(str(one["cpu_seconds"]))),
    }


async def measured(stack: Stack, after: float, minutes: float) -> dict[str, Any]:
    async with control_api(stack) as api:
        agents = (await api.http.get("/agents")).raise_for_status().json()["agents"]
        caller = await api.come_in(agent_id=agents[0]["id"])
        await visited(stack, caller)
        await asyncio.sleep(60 * after)
        found = {"machine": machine(), "after_minutes": after}
        return found | await counted(stack.home, minutes)


def plot(result: dict[str, Any], path: Path) -> None:
    rows = result["services"]
    with drawing(path, 9, 0.5 * len(rows) + 1.5) as axes:
        axes.barh(list(rows), [row["per_cent_of_a_core"] for row in rows.values()])
        axes.invert_yaxis()
        total = result["per_cent_of_a_core"]
        axes.set_xlabel(f"per cent of one core; together {total:g}, at most {result['limit']:g}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--after", type=float, default=60.0, help="minutes between the visit and the count")
    options.add_argument("--minutes", type=float, default=60.0, help="for which is counted")
    options.add_argument("--out", type=Path, default=Path("build/bench"))
    chosen = options.parse_args()
    defaults = {"VOICE_LLM_BASE_URL": "", "VOICE_LLM_MODEL": "", "VOICE_WORKER_CAPACITY": "0"}
    with running_stack(**defaults) as stack:
        result = asyncio.run(measured(stack, chosen.after, chosen.minutes))
    publish(chosen.out, "idle", result, plot)
    if result["per_cent_of_a_core"] > LIMIT:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
