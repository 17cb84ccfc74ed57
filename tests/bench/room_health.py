"""Cost of `decide()` (scripts/bench.sh room_health): in total, and per changed room among few and many rooms."""

from __future__ import annotations

import json
import statistics
import sys
import time

from voice_agent.lifecycle.room_health import SeenAgent, SeenLease, SeenRoom, Wanted, decide


def world(rooms: int) -> tuple[dict[str, SeenRoom], dict[str, Wanted]]:
    """Nine of ten rooms are served; every tenth has a human and no agent."""
    seen, wanted = {}, {}
    for number in range(rooms):
        name, job = f"room-{number}", f"AJ_{number}"
        served = number % 10 > 0
        agents = (SeenAgent(f"PA_{number}", f"agent-{job}", job, 1.0, ready=True),) if served else ()
        lease = SeenLease(1, job, quiet_for=1.0) if served else None
        seen[name] = SeenRoom(name, humans=1, agents=agents, lease=lease, empty_since=90.0, unserved_since=95.0)
        wanted[name] = Wanted(name, workers=4, free_slots=9)
    return seen, wanted


def milliseconds(seen: dict[str, SeenRoom], wanted: dict[str, Wanted], times: int) -> float:
    spent = []
    for _ in range(times):
        began = time.process_time()
        decide(seen, wanted, 100.0)
        spent.append((time.process_time() - began) * 1000)
    return statistics.median(spent)


def main() -> None:
    full = milliseconds(*world(10_000), times=9)
    per_changed: dict[int, float] = {}
    for rooms in (10, 100, 1_000, 10_000, 100_000):
        seen, wanted = world(rooms)
        changed = {name: seen[name] for name in list(seen)[:10]}
        per_changed[rooms] = round(milliseconds(changed, wanted, times=2001) * 1000 / len(changed), 2)
    flat = max(per_changed.values()) < 3 * min(per_changed.values())
    print(json.dumps({"10000_rooms_ms": round(full, 1), "us_per_changed_room": per_changed, "flat": flat}, indent=2))
    sys.exit(not (full < 100 and flat))


if __name__ == "__main__":
    main()
