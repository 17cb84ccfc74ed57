"""Decision about one room: every situation, and the edges between them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from voice_agent import contracts
from voice_agent.lifecycle.room_health import (
    Action,
    ClearCooldown,
    CloseRoom,
    Dispatch,
    Fence,
    FreeSeat,
    Limits,
    Look,
    OpenRoom,
    Recycle,
    RemoveAgent,
    Report,
    SeenAgent,
    SeenLease,
    SeenRoom,
    Wanted,
    decide,
)

NOW = 10_000.0
HELD = SeenLease(3, "AJ_1", quiet_for=1.0)
ENDED = SeenLease(4, "", ended=True)


def agent(job: str = "AJ_1", *, ready: bool = True, joined_at: float = 1.0) -> SeenAgent:
    return SeenAgent(f"PA_{job}", f"agent-{job}", job, joined_at, ready)


def seen(*agents: SeenAgent, humans: int = 1, lease: SeenLease | None = None, **other: Any) -> SeenRoom:
    other = {"empty_since": NOW - 10, "unserved_since": NOW - 5, **other}
    return SeenRoom("r", humans=humans, agents=agents, lease=lease, **other)


def acts(room: SeenRoom, now: float = NOW, **wanted: Any) -> list[Action]:
    """Without the next look, which every answer but few has."""
    return [action for action in every(room, now, **wanted) if not isinstance(action, Look)]


def every(room: SeenRoom, now: float = NOW, **wanted: Any) -> tuple[Action, ...]:
    return decide({"r": room}, {"r": Wanted("r", **wanted)}, now)


def next_look(room: SeenRoom, now: float = NOW, **wanted: Any) -> float:
    (at,) = (action.at for action in every(room, now, **wanted) if isinstance(action, Look))
    return at - now


def test_a_room_that_is_not_ours_is_never_touched() -> None:
    assert every(seen(agent("AJ_9"), humans=0, ours=False)) == ()
    assert decide({"r": seen(agent(), ours=False)}, {}, NOW) == ()


def test_a_room_nobody_wants_is_closed_unless_somebody_is_in_it() -> None:
    assert decide({"r": seen(agent(), humans=0)}, {}, NOW) == (CloseRoom("r", "purposeless"),)
    assert decide({"r": seen(humans=1)}, {}, NOW) == (Report("r", "session_expired"),)
    assert decide({"r": seen(humans=0, exists=False)}, {}, NOW) == ()


def test_a_wanted_room_that_is_missing_is_opened() -> None:
    assert acts(seen(humans=0, exists=False)) == [OpenRoom("r")]


def test_a_room_closes_when_it_was_empty_for_long_enough() -> None:
    empty = seen(agent(), humans=0, lease=HELD, empty_since=NOW - 1800)
    assert acts(empty, close_after=1800) == [CloseRoom("r", "expired")]
    assert acts(empty, close_after=1801) == []
    assert acts(replace(empty, humans=1), close_after=1800) == []
    assert acts(empty, close_after=1800, resident=True) == []
    assert acts(empty, close_after=1800, expected=True) == []
    assert next_look(seen(humans=0), close_after=1800) == 1790


@pytest.mark.parametrize(("humans", "wanted"), [(1, {}), (0, {"resident": True}), (0, {"expected": True})])
def test_a_vacant_room_that_needs_an_agent_gets_one(humans: int, wanted: dict[str, bool]) -> None:
    assert acts(seen(humans=humans), **wanted) == [Dispatch("r", 0, 1)]
    assert acts(seen(humans=humans, lease=ENDED), **wanted) == [Dispatch("r", 4, 1)]


def test_an_empty_room_that_expects_nobody_gets_none() -> None:
    assert acts(seen(humans=0)) == []


def test_the_cooldown_doubles_and_has_an_end() -> None:
    waits = []
    for attempts in range(1, 8):
        waits.append(next_look(seen(), attempts=attempts, attempted_at=NOW))
        assert acts(seen(), attempts=attempts, attempted_at=NOW - waits[-1] + 0.1) == []
        assert acts(seen(), attempts=attempts, attempted_at=NOW - waits[-1]) == [Dispatch("r", 0, attempts + 1)]
    assert waits == [3, 6, 12, 24, 30, 30, 30]


def test_the_defaults_are_those_that_jobs_and_workers_go_by() -> None:
    limits = Limits()
    assert (limits.renewal, limits.lease_dead_after) == (contracts.LEASE_RENEWAL, contracts.LEASE_DEAD_AFTER)
    assert (limits.dead_loop_after, limits.cooldown_max) == (
        contracts.DEAD_LOOP_AFTER,
        contracts.DISPATCH_COOLDOWN_MAX,
    )
    assert (limits.recycle_limit, limits.recycle_window) == (contracts.RECYCLE_LIMIT, contracts.RECYCLE_WINDOW)


def test_a_clock_that_jumped_does_not_prolong_a_cooldown() -> None:
    assert next_look(seen(), attempts=1, attempted_at=NOW + 3600) == 3


def test_a_ready_holder_is_left_in_peace() -> None:
    assert acts(seen(agent(), lease=HELD)) == []
    assert acts(seen(agent(), lease=HELD), attempts=2, reported="no_worker") == [ClearCooldown("r"), Report("r", "")]
    assert next_look(seen(agent(), lease=HELD)) == Limits().renewal


def test_the_newcomer_yields_and_the_incumbent_stays() -> None:
    newcomer = agent("AJ_2", joined_at=9.0)
    for order in ([agent(), newcomer], [newcomer, agent()]):
        (action,) = acts(seen(*order, lease=HELD))
        assert action == RemoveAgent("r", "agent-AJ_2", "PA_AJ_2", "surplus")


def test_a_stranger_makes_way_even_for_a_holder_who_is_not_there_yet() -> None:
    assert [type(action) for action in acts(seen(agent("AJ_9"), lease=HELD))] == [RemoveAgent]


def test_a_holder_on_its_way_is_waited_for_but_not_for_ever() -> None:
    for room in (seen(lease=HELD), seen(agent(ready=False), lease=HELD)):
        assert acts(room) == []
        assert acts(replace(room, unserved_since=NOW - 44.9)) == []
        assert acts(replace(room, unserved_since=NOW - 45)) == [Recycle("r", 3, "AJ_1", "not_ready")]


@pytest.mark.parametrize(
    ("health", "why"),
    [
        ({"failed": "tts_failed"}, "tts_failed"),
        ({"silent_for": 43.0, "silent_before": 40.0}, "dead_loop"),
        ({"silent_for": 42.9, "silent_before": 39.9}, ""),
        ({"silent_for": 43.0}, ""),
        ({"silent_for": 0.0, "silent_before": 43.0}, ""),
    ],
)
def test_an_agent_that_is_there_but_dead_is_recycled(health: dict[str, Any], why: str) -> None:
    room = seen(agent(), lease=replace(HELD, **health))
    assert acts(room) == ([Recycle("r", 3, "AJ_1", why)] if why else [])


def test_a_silent_lease_is_fenced_first_then_the_ghost_goes_then_another_comes() -> None:
    assert acts(seen(agent(), lease=replace(HELD, quiet_for=14.9))) == []
    assert acts(seen(agent(), lease=replace(HELD, quiet_for=15.0))) == [Fence("r", 3, "AJ_1")]
    assert acts(seen(agent(), lease=ENDED)) == [RemoveAgent("r", "agent-AJ_1", "PA_AJ_1", "ghost")]
    assert acts(seen(lease=ENDED)) == [Dispatch("r", 4, 1)]


def test_without_any_lease_the_oldest_may_prove_itself() -> None:
    old, new = agent("AJ_1"), agent("AJ_2", joined_at=2.0)
    assert acts(seen(new, old)) == [RemoveAgent("r", "agent-AJ_2", "PA_AJ_2", "surplus")]
    late = acts(seen(new, old, unserved_since=NOW - 15))
    assert [(action.identity, action.why) for action in late if isinstance(action, RemoveAgent)] == [
        ("agent-AJ_1", "ghost"),
        ("agent-AJ_2", "ghost"),
    ]


def test_three_failures_in_ten_minutes_end_the_attempts_and_time_begins_them_again() -> None:
    failures = (NOW - 500, NOW - 300, NOW - 1)
    assert acts(seen(), recycled_at=failures) == [Report("r", "agent_fails")]
    assert next_look(seen(), recycled_at=failures) == 100
    assert acts(seen(), recycled_at=failures, reported="agent_fails") == []
    assert acts(seen(), now=NOW + 100, recycled_at=failures, reported="agent_fails") == [Dispatch("r", 0, 1)]


def test_no_worker_and_full_workers_have_names_and_cost_no_attempt() -> None:
    assert acts(seen(), workers=0, free_slots=0) == [Report("r", "no_worker")]
    assert acts(seen(), workers=2, free_slots=0) == [Report("r", "worker_full"), FreeSeat("r")]
    assert acts(seen(), workers=2, free_slots=1, reported="no_worker") == [Dispatch("r", 0, 1), Report("r", "")]
    assert acts(seen(), workers=None) == [Dispatch("r", 0, 1)]


def test_a_room_whose_workers_are_for_others_is_told_so_and_never_dispatched_to() -> None:
    theirs: dict[str, Any] = {"workers": 0, "other_workers": 2, "free_slots": 0}
    assert acts(seen(), **theirs) == [Report("r", "no_worker_for_room")]
    assert acts(seen(), **theirs, reported="no_worker") == [Report("r", "no_worker_for_room")]
    assert acts(seen(), **theirs, attempts=9, reported="no_worker_for_room") == []
    cured: dict[str, Any] = {"workers": 1, "other_workers": 2, "free_slots": 1, "reported": "no_worker_for_room"}
    assert acts(seen(), **cured) == [Dispatch("r", 0, 1), Report("r", "")]


def test_an_error_is_forgotten_when_nobody_needs_an_agent_any_more() -> None:
    assert acts(seen(humans=0), reported="no_worker") == [Report("r", "")]


def test_every_look_lies_in_the_future() -> None:
    """0.1 + 0.2 is not 0.3: a look that is due at once would be due for ever."""
    for tenths in range(2000):
        since = tenths / 10 + 0.1
        for action in every(seen(humans=0, empty_since=since), now=since + 1799.9999999, close_after=1800):
            assert not isinstance(action, Look) or action.at > since + 1799.9999999


def test_only_the_rooms_shown_are_judged() -> None:
    rooms = {name: replace(seen(), room=name) for name in ("a", "b")}
    assert decide(rooms, {"a": Wanted("a"), "b": Wanted("b"), "c": Wanted("c")}, NOW)[0] == Dispatch("a", 0, 1)
    assert {action.room for action in decide(rooms, {"a": Wanted("a"), "b": Wanted("b")}, NOW)} == {"a", "b"}


def test_a_room_of_others_is_not_opened_but_forgotten() -> None:
    missing = seen(humans=0, exists=False)
    assert acts(missing, adopted=True) == [CloseRoom("r", "gone")]
    assert acts(missing, adopted=True, expected=True) == [], "LiveKit may list it in a moment"
    assert next_look(missing, adopted=True, expected=True) == Limits().renewal
    assert acts(seen(humans=1), adopted=True) == [Dispatch("r", 0, 1)]
