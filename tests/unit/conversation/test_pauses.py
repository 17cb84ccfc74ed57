"""Pauses of a turn, as the bench of turns counts them."""

from __future__ import annotations

from tests.support.pauses import NEVER, Pause, Policy, outcome, spoken

TURN = (
    Pause("a", 1.0, 0.5, ends=False, probability={"model": 0.1}),
    Pause("a", 2.0, 1.5, ends=False, probability={"model": 0.2}),
    Pause("a", 4.0, 3.0, ends=True, probability={"model": 0.9}),
    Pause("b", 1.0, 0.15, ends=False, probability={}),
    Pause("b", 2.0, 3.0, ends=True, probability={"model": 0.3}),
)


def test_silence_cuts_every_longer_pause() -> None:
    found = outcome(TURN, Policy("silence", NEVER, 0.4, 0.4))
    assert (found.pauses_cut, found.turns_cut, found.waits) == (2, 1, (0.4, 0.4))


def test_a_detector_waits_where_the_turn_goes_on() -> None:
    found = outcome(TURN, Policy("model", 0.7, 0.4, 1.2))
    assert (found.pauses_cut, found.waits) == (1, (0.4, 1.2))


def test_clicks_and_short_gaps_are_neither_speech_nor_pauses() -> None:
    speech, none = [0.9] * 10, [0.0] * 10
    assert len(spoken([*speech, 0.1, *speech, *none, 0.9, *none])) == 1
    assert len(spoken([*speech, *none, *speech])) == 2
