"""Peers benchmark: when somebody is heard, what a recording holds, and what is counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.bench.peers.hearing import (
    FRAME,
    RATE,
    Heard,
    between,
    both_sides,
    first_sound,
    last_sound,
    line,
    spoke_over,
    trimmed,
)
from tests.bench.peers.rows import ANSWER, FIRST, RETURN, summary

QUIET = np.full(FRAME, 0.005, np.float32)
VOICE = np.full(FRAME, 0.2, np.float32)
FRAMES = [Heard(at, VOICE if at in (1.0, 3.0, 4.0) else QUIET) for at in (1.0, 2.0, 3.0, 4.0, 5.0)]


def test_the_first_sound_counts_after_the_question() -> None:
    assert first_sound(FRAMES, 0.0) == 1.0
    assert first_sound(FRAMES, 1.0) == 3.0
    assert first_sound(FRAMES, 4.0) is None
    assert last_sound(FRAMES) == 4.0
    assert last_sound([]) is None


def test_an_answer_that_begins_within_the_question_is_noticed() -> None:
    assert spoke_over(FRAMES, 2.0, 3.5)
    assert not spoke_over(FRAMES, 1.0, 2.5)


def test_an_answer_is_what_was_heard_between_two_times() -> None:
    assert len(between(FRAMES, 2.0, 4.0)) == 2 * FRAME
    assert len(between(FRAMES, 9.0, 10.0)) == 0


def test_a_recording_keeps_frames_together_and_gaps_apart() -> None:
    step = FRAME / RATE
    together = [Heard(10.0 + step, VOICE), Heard(10.0 + 2 * step + 0.05, VOICE)]
    assert len(line(together, 10.0)) == 2 * FRAME
    apart = [Heard(10.0 + step, VOICE), Heard(11.0, VOICE)]
    assert len(line(apart, 10.0)) == RATE
    assert line(apart, 10.0)[RATE // 2] == 0.0


def test_both_sides_begin_and_end_together() -> None:
    both = both_sides([Heard(10.5, VOICE)], [Heard(11.0, VOICE)], 10.0)
    assert both.shape == (RATE, 2)
    loud = [np.flatnonzero(side) for side in both.T]
    assert [int(side[0]) for side in loud] == [RATE // 2 - FRAME, RATE - FRAME]


def test_silence_around_a_question_is_cut() -> None:
    assert len(trimmed(np.concatenate([np.zeros(500), VOICE, np.zeros(700)]).astype(np.float32))) == FRAME


def said(seconds: float | None, *, over: bool = False, right: bool = True) -> dict[str, Any]:
    return {"seconds": seconds, "over": over, "right": right}


LINES: list[dict[str, Any]] = [
    {"system": "a", "first": 1.0, "return": 0.5, "answers": [said(1.0), said(None, right=False)]},
    {"system": "b", "first": 2.5, "return": None, "answers": [said(3.0), said(0.1, over=True, right=False)]},
]


def test_every_row_has_every_system_and_says_what_never_came() -> None:
    table = summary(LINES, "a")
    assert (table[FIRST]["a"]["p50"], table[FIRST]["b"]["p50"]) == (1.0, 2.5)
    assert table[FIRST]["b"]["times"] == pytest.approx(2.5)
    assert "times" not in table[FIRST]["a"]
    assert (table[RETURN]["b"]["n"], table[RETURN]["b"]["never"]) == (0, 1)
    assert (table[ANSWER]["a"]["n"], table[ANSWER]["a"]["never"], table[ANSWER]["a"]["right"]) == (1, 1, 1)


def test_an_answer_over_the_question_is_none() -> None:
    assert summary(LINES, "a")[ANSWER]["b"]["n"] == 1
    assert summary(LINES, "a")[ANSWER]["b"]["max"] == 3.0
