"""Simulation of machines, monitors and leases under faults, in virtual time, seeded (scripts/bench.sh simulation).

Defaults are the full size: 1,000 rooms until 100,000 visits, 20,000 faults and a million events have happened. A
violated law ends the run with an error. Some of the rooms write a reconnect log, which is replayed at the end.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support.fleet import Fleet
from tests.support.fleet_job import Job
from tests.support.fleet_traffic import populate
from voice_agent.observe.journal import Journal
from voice_agent.observe.log import ReconnectLog
from voice_agent.observe.reading import read_all
from voice_agent.observe.record import check

BOUND = 90.0


def simulate(rooms: int, visits: int, faults: int, events: int, seed: int, log_path: Path) -> Fleet:
    fleet = Fleet(seed, workers=max(2, rooms // 25), capacity=40)
    log = ReconnectLog(log_path, "simulation", clock=lambda: fleet.now)
    journals: dict[Job, Journal] = {}

    def handle(job: Job, event: Any) -> tuple[Any, ...]:
        name = job.session.name
        if not name.partition("#")[0].endswith("50"):
            return tuple(job.machine.handle(event, fleet.now))
        if job not in journals:
            journals[job] = Journal(log.bind(room=name, session=name), job.machine)
        return journals[job].handle(event, fleet.now)

    fleet.handle = handle
    # About 100 visits of 15 s with pauses of 15 s per room make 100,000 in 1,000 rooms; one fault per five visits.
    populate(fleet, rooms, pause=15, fault_every=130 / rooms, bound=BOUND)
    while fleet.counts["visits"] < visits or fleet.counts["faults"] < faults or fleet.events < events:
        fleet.run(60)
        print(f"{fleet.now:6.0f} s  {fleet.counts['visits']:7} visits  {fleet.events:8} events", file=sys.stderr)
    return fleet


def result(fleet: Fleet, seconds: float, breaches: int) -> dict[str, Any]:
    gaps = sorted(fleet.gaps) or [0.0]
    counts = dict(sorted(fleet.counts.items()))
    return {
        "virtual_seconds": round(fleet.now),
        "wall_seconds": round(seconds, 1),
        "machine_events": fleet.events,
        "looks_at_rooms": fleet.looks,
        "episodes": sum(session.episode for session in fleet.sessions.values()),
        "resets": counts.pop("resets", 0),
        "dispatches": counts.pop("Dispatch", 0),
        "visits": counts.pop("visits", 0),
        "faults": counts.pop("faults", 0),
        "waits_for_an_agent": len(fleet.gaps),
        "wait_p50": round(gaps[len(gaps) // 2], 2),
        "wait_p95": round(gaps[int(len(gaps) * 0.95)], 2),
        "longest_wait": round(gaps[-1], 1),
        "breaches": breaches,
        "counts": counts,
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rooms", type=int, default=1000)
    options.add_argument("--visits", type=int, default=100_000)
    options.add_argument("--faults", type=int, default=20_000)
    options.add_argument("--events", type=int, default=1_000_000)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "reconnect.jsonl"
        fleet = simulate(chosen.rooms, chosen.visits, chosen.faults, chosen.events, chosen.seed, log)
        found = list(check(read_all([log]), [], bound=BOUND))
        for breach in found[:20]:
            print(breach, file=sys.stderr)
        print(json.dumps(result(fleet, time.monotonic() - began, len(found)), indent=2))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
