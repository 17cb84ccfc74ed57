"""Liveness: since when each thing is as it is, on the observer's own clock."""

from __future__ import annotations

from typing import Any

from voice_agent.lifecycle.liveness import Liveness
from voice_agent.lifecycle.room_health import SeenAgent, SeenLease, SeenRoom


def room(lease: SeenLease | None = None, **other: Any) -> SeenRoom:
    return SeenRoom("r", lease=lease, **other)


def writing(until: float, since: float = 0.0) -> Liveness:
    liveness = Liveness()
    at = since
    while at <= until:
        liveness.wrote(at)
        at += 3.0
    return liveness


def quiet(liveness: Liveness, beat: int, now: float, epoch: int = 1) -> float:
    lease = liveness.look(room(SeenLease(epoch, "AJ_1")), beat, now).lease
    assert lease is not None
    return lease.quiet_for


def test_a_beat_that_stands_still_is_silent_since_it_was_first_seen_so() -> None:
    liveness = Liveness()
    seen = []
    for now in range(0, 31, 3):
        liveness.wrote(float(now))
        seen.append(quiet(liveness, min(now, 9), float(now)))
    assert seen == [0, 0, 0, 0, 3, 6, 9, 12, 15, 18, 21]


def test_another_epoch_begins_anew() -> None:
    liveness = writing(30)
    quiet(liveness, 5, 0)
    assert quiet(liveness, 5, 30) == 30
    assert quiet(liveness, 5, 30, epoch=2) == 0


def test_a_database_that_was_locked_kills_nobody() -> None:
    liveness = writing(12)
    quiet(liveness, 5, 0)
    liveness.write_failed()
    assert quiet(liveness, 5, 14) == 0
    liveness.wrote(17)
    assert quiet(liveness, 5, 18) == 1


def test_an_observer_that_was_suspended_kills_nobody() -> None:
    liveness = writing(12)
    quiet(liveness, 5, 0)
    assert quiet(liveness, 5, 100) == 0, "its last write is too long ago"
    liveness.wrote(100)
    assert quiet(liveness, 5, 101) == 1


def test_one_that_never_wrote_knows_nothing() -> None:
    assert quiet(Liveness(), 5, 100) == 0


def test_a_room_is_empty_since_it_was_first_seen_empty() -> None:
    liveness = Liveness()
    assert liveness.look(room(humans=1), 0, 100).empty_since == 100
    assert liveness.look(room(humans=0), 0, 200).empty_since == 200
    assert liveness.look(room(humans=0), 0, 300).empty_since == 200
    assert liveness.look(room(humans=1), 0, 400).empty_since == 400


def test_a_restarted_observer_continues_a_count_but_believes_no_future() -> None:
    assert Liveness().look(room(empty_since=50), 0, 100).empty_since == 50
    assert Liveness().look(room(empty_since=150), 0, 100).empty_since == 100


def test_unserved_counts_from_the_lease_or_from_the_last_ready_agent() -> None:
    liveness = Liveness()
    lease = SeenLease(1, "AJ_1")
    ready = (SeenAgent("PA_1", "agent-AJ_1", "AJ_1", 1.0, ready=True),)
    assert liveness.look(room(lease), 0, 10).unserved_since == 10
    assert liveness.look(room(lease), 0, 20).unserved_since == 10
    assert liveness.look(room(lease, agents=ready), 0, 30).unserved_since == 30
    assert liveness.look(room(lease), 0, 90).unserved_since == 90, "it may have been ready until a moment ago"
    assert liveness.look(room(lease), 0, 95).unserved_since == 90
    assert liveness.look(room(SeenLease(2, "AJ_2")), 0, 99).unserved_since == 99


def test_a_loop_is_dead_only_where_two_renewals_of_one_holder_say_so() -> None:
    liveness = Liveness()

    def before(silent_for: float, beat: int, epoch: int = 1) -> float:
        lease = liveness.look(room(SeenLease(epoch, "AJ_1", silent_for=silent_for)), beat, 10.0).lease
        assert lease is not None
        return lease.silent_before

    assert before(41, 1) == 0
    assert before(41, 1) == 0, "the same renewal, seen again"
    assert before(44, 2) == 41
    assert before(0, 3) == 44
    assert before(41, 4) == 0
    assert before(44, 1, epoch=2) == 0, "another holder"


def test_what_is_forgotten_begins_anew() -> None:
    liveness = Liveness()
    liveness.look(room(humans=0), 0, 100)
    liveness.forget(["r", "never seen"])
    assert liveness.look(room(humans=0), 0, 200).empty_since == 200
