"""Fleet of machines, leases and monitors, with everything failing; and each rule of the monitor broken once.

VOICE_TEST_PROFILE=soak takes 100,000 steps instead of 2,000.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.support import core
from tests.support.fleet import Fleet
from tests.support.fleet_traffic import FAULTS, kill_server, lock_database, populate
from tests.support.machine_world import LawBrokenError

SOAK = os.environ.get("VOICE_TEST_PROFILE") == "soak"
BOUND = 50.0
"""Virtual seconds: the longest wait when something breaks every three of them."""
STORM = 75.0
"""When Hypothesis may break everything at once, again and again."""


def trouble(which: Any, seeds: range) -> Fleet:
    fleet = Fleet()
    for seed in seeds:
        fleet = Fleet(seed, core=which, workers=2, capacity=20)
        populate(fleet, 10, pause=10, fault_every=3, bound=BOUND, long_stays=0.3)
        fleet.run(60)
        lock_database(fleet)
        fleet.run(40)
        kill_server(fleet)
        fleet.run(140)
    return fleet


def test_under_faults_every_law_holds() -> None:
    fleet = trouble(None, range(2))
    assert fleet.counts["faults"] > 40
    assert fleet.counts["visits"] > 50


class RoomsAndWorkers(RuleBasedStateMachine):
    """Hypothesis chooses what breaks and when; people come and go in three rooms meanwhile."""

    @initialize(seed=st.integers(0, 999), observers=st.integers(1, 3))
    def begin(self, seed: int, observers: int) -> None:
        self.fleet = Fleet(seed, workers=2, capacity=4, observers=observers)
        populate(self.fleet, 3, pause=5, fault_every=1e9, bound=STORM, long_stays=0.3)
        self.fleet.run(5)

    @rule(fault=st.sampled_from(sorted(FAULTS, key=lambda fault: fault.__name__)))
    def something_breaks(self, fault: Any) -> None:
        fault(self.fleet)

    @rule(seconds=st.sampled_from([0.05, 0.3, 1.0, 3.0, 9.0]))
    def time_passes(self, seconds: float) -> None:
        self.fleet.run(seconds)

    def teardown(self) -> None:
        if hasattr(self, "fleet"):
            self.fleet.run(STORM)


TestRoomsAndWorkers = RoomsAndWorkers.TestCase
TestRoomsAndWorkers.settings = settings(
    max_examples=1000 if SOAK else 20,
    stateful_step_count=100,
    deadline=None,
    database=None,
    derandomize=not SOAK,  # the soak explores; a run of the tests is the same for everybody
    suppress_health_check=list(HealthCheck),
)

MUTANTS = {
    # name: (module, original, replacement, the laws that may notice)
    "a dispatch does not wait for the ghost": (
        "room_health",
        "return Situation.GHOSTS if seen.agents else Situation.VACANT",
        "return Situation.VACANT",
        "nothing is dispatched before|one agent at a time",
    ),
    "ghosts are not removed": (
        "room_health",
        '    yield from _remove(case, case.seen.agents, "ghost")\n',
        "",
        "a room with a human has a ready agent",
    ),
    "the incumbent yields": (
        "room_health",
        """def _served(case: Case) -> Iterator[Action]:
    yield from _remove(case, (agent for agent in case.seen.agents if agent is not case.holder), "surplus")""",
        """def _served(case: Case) -> Iterator[Action]:
    yield from _remove(case, case.seen.agents, "surplus")""",
        "a healthy agent is never evicted",
    ),
    "silent leases live for ever": (
        "room_health",
        "if lease.quiet_for >= limits.lease_dead_after:",
        "if lease.quiet_for >= 1e9:",
        "a room with a human has a ready agent",
    ),
    "living leases are fenced": (
        "room_health",
        "lease_dead_after: float = 15.0",
        "lease_dead_after: float = 0.0",
        "a lease that is renewed is not fenced",
    ),
    "a locked database counts as silence": (
        "liveness",
        "return max(0.0, now - max(moved_at, self._writing_since))",
        "return max(0.0, 3 * (now - moved_at))",
        "a lease that is renewed is not fenced",
    ),
    "the dead but present are not noticed": (
        "room_health",
        "_dead(lease, limits) or (late and not served)",
        "(late and not served)",
        "a room with a human has a ready agent",
    ),
    "nothing is dispatched twice": (
        "room_health",
        "        if case.now >= due:",
        "        if case.now >= due and not wanted.attempts:",
        "a room with a human has a ready agent",
    ),
    "a lost room stays lost": (
        "room_health",
        "    yield OpenRoom(case.seen.room)\n",
        "    yield _look(case, case.now)\n",
        "rooms come back",
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_rule_is_noticed(name: str, tmp_path: Path) -> None:
    module, original, replacement, laws = MUTANTS[name]
    mutated = core.mutant(tmp_path, f"fleet_mutant_{list(MUTANTS).index(name)}", module, original, replacement)
    with mutated as broken, pytest.raises(LawBrokenError) as caught:
        trouble(broken, range(20))
    assert any(caught.value.law.startswith(law) for law in laws.split("|")), caught.value
