"""First visit benchmark: which lines of the log count, and when."""

from __future__ import annotations

from typing import Any

from tests.bench.first_visit import in_order, steps


def logged(mono: float, event: str, room: str = "new", **fields: Any) -> dict[str, Any]:
    return {"mono": mono, "process": "job", "event": event, "room": room, "fields": fields}


ASKED = logged(10.5, "dispatch.requested")
DISPATCHED = {"job: dispatch.requested": 10.5}


def test_only_the_first_line_of_a_kind_between_wish_and_greeting_counts() -> None:
    lines = [logged(9.0, "job.started"), ASKED, logged(11.0, "job.started"), logged(12.0, "job.started")]
    assert steps(lines, wished=10.0, greeted=13.0) == DISPATCHED | {"job: job.started": 11.0}


def test_the_end_of_the_job_before_does_not_count() -> None:
    assert steps([logged(10.1, "job.ended", room="old"), ASKED], wished=10.0, greeted=13.0) == DISPATCHED


def test_an_effect_has_a_beginning_and_an_end() -> None:
    loaded = logged(11.0, "lifecycle.effect", effect="LoadMemory", outcome="ok", duration_ms=500)
    assert steps([ASKED, loaded], 10.0, 12.0) == DISPATCHED | {
        "job: lifecycle.effect LoadMemory ok": 11.0,
        "job: lifecycle.effect LoadMemory ok (begun)": 10.5,
    }


def test_steps_are_in_the_order_of_their_medians() -> None:
    ordered = in_order([{"late": 900.0, "early": 100.0}, {"late": 50.0, "early": 100.0}, {"late": 950.0}])
    assert list(ordered) == ["early", "late"]
    assert (ordered["early"]["n"], ordered["late"]["p50"]) == (2, 900)
