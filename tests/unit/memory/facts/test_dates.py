from __future__ import annotations

from datetime import date

import pytest

from voice_agent.memory.facts.dates import absolute

THURSDAY = date(2026, 11, 26)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("The user's car broke down yesterday.", "The user's car broke down on Wednesday 25 November 2026."),
        ("The user flies to Oslo tomorrow.", "The user flies to Oslo on Friday 27 November 2026."),
        ("The user has a test next Friday.", "The user has a test on Friday 27 November 2026."),
        ("The user has a test on Thursday.", "The user has a test on Thursday 3 December 2026."),
        ("The user started a job on Monday.", "The user started a job on Monday 23 November 2026."),
        ("The user met Ines last Thursday.", "The user met Ines on Thursday 19 November 2026."),
        ("The user moved three weeks ago.", "The user moved around Thursday 5 November 2026."),
        ("My exam is three weeks from today.", "My exam is on Thursday 17 December 2026."),
        ("I fly in ten days from now.", "I fly on Sunday 6 December 2026."),
        ("We move in two weeks' time.", "We move around Thursday 10 December 2026."),
        ("I start in a fortnight.", "I start around Thursday 10 December 2026."),
        ("The concert is a week on Saturday.", "The concert is on Saturday 5 December 2026."),
        ("The concert is on Saturday week.", "The concert is on Saturday 5 December 2026."),
        ("The concert is a week tomorrow.", "The concert is on Friday 4 December 2026."),
        ("The user was there a couple of days ago.", "The user was there on Tuesday 24 November 2026."),
        ("The user marries in two months.", "The user marries in January 2027."),
        ("The user was in Rome last year.", "The user was in Rome in 2025."),
        ("The user slept badly last night.", "The user slept badly in the night of Wednesday 25 November 2026."),
        ("The user goes to choir every Monday.", "The user goes to choir every Monday."),
        ("The user plays chess on Tuesdays.", "The user plays chess on Tuesdays."),
        ("The appointment is on Friday, December 4.", "The appointment is on Friday, December 4."),
        ("The appointment is on Friday 4 December 2026.", "The appointment is on Friday 4 December 2026."),
        ("The user is 40 years old.", "The user is 40 years old."),
        ("We scheduled it for next Thursday.", "We scheduled it for Thursday 3 December 2026."),
        ("The dentist was moved to Friday.", "The dentist was moved to Friday 27 November 2026."),
        ("I had my jab this past Monday.", "I had my jab on Monday 23 November 2026."),
        ("It was on Tuesday, and from now on it's on Friday.", "It was on Tuesday, and from now on it's on Friday."),
        ("Sunday is yoga day for me.", "Sunday is yoga day for me."),
        ("I swim on Friday. I have a test on Friday.", "I swim on Friday. I have a test on Friday 27 November 2026."),
    ],
)
def test_relative_dates_are_made_absolute_and_others_left_alone(said: str, meant: str) -> None:
    assert absolute(said, THURSDAY) == meant
    assert absolute(meant, THURSDAY) == meant, "a second time changes nothing"
