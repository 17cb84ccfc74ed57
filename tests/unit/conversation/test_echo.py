from __future__ import annotations

import numpy as np
import pytest

from voice_agent.conversation.echo import Echo, Loudness

STEP = 0.01
SPOKEN = np.random.default_rng(7).uniform(-45, -15, 60).repeat(10)
"""Loudness of six seconds of speech, syllable by syllable."""
NOISE = -58.0


def heard(*, echo: float | None = None, delay: float = 0.3, person: float | None = None) -> bool:
    """`person`: level of somebody who speaks in the last tenth of a second."""
    said, echo_path = Loudness(), Echo()
    room = np.random.default_rng(8)
    for number, level in enumerate(SPOKEN):
        now = number * STEP
        said.add(now, float(level))
        before = number - round(delay / STEP)
        sounds = [NOISE + float(room.normal(0, 1))]
        if echo is not None and before >= 0:
            sounds.append(float(SPOKEN[before]) + echo + float(room.normal(0, 1.5)))
        if person is not None and now > 5.89:
            sounds.append(person)
        echo_path.heard.add(now, max(sounds))
    return echo_path.explains(said, (len(SPOKEN) - 1) * STEP)


@pytest.mark.parametrize("echo", [-12.0, -20.0, -26.0])
@pytest.mark.parametrize("delay", [0.1, 0.33, 0.8])
def test_what_was_said_before_and_is_heard_quieter_is_an_echo(echo: float, delay: float) -> None:
    assert heard(echo=echo, delay=delay)


def test_without_an_echo_nothing_is_one() -> None:
    assert not heard()
    assert not heard(person=-25.0)


@pytest.mark.parametrize("echo", [-20.0, -26.0])
def test_who_speaks_over_the_echo_is_heard(echo: float) -> None:
    assert not heard(echo=echo, person=-20.0)


def test_a_voice_that_goes_its_own_way_is_no_echo() -> None:
    said, echo_path = Loudness(), Echo()
    another = np.random.default_rng(9).uniform(-45, -15, 60).repeat(10)
    for number, level in enumerate(SPOKEN):
        said.add(number * STEP, float(level))
        echo_path.heard.add(number * STEP, float(another[number]) - 8.0)
    assert not echo_path.explains(said, (len(SPOKEN) - 1) * STEP)


def test_what_was_found_once_is_not_believed_for_ever() -> None:
    said, echo_path = Loudness(), Echo()
    for number, level in enumerate(SPOKEN):
        said.add(number * STEP, float(level))
        echo_path.heard.add(number * STEP + 0.3, float(level) - 20.0)
    assert echo_path.explains(said, len(SPOKEN) * STEP)
    for now, explained in ((15.0, True), (40.0, False)):
        said.add(now - 0.3, -20.0)
        echo_path.heard.add(now, -40.0)
        assert echo_path.explains(said, now) is explained


@pytest.mark.parametrize("known", [True, False])
def test_two_beginnings_look_alike_unless_it_is_known_how_late_the_echo_is(known: bool) -> None:
    said, echo_path = Loudness(), Echo()
    silence, delay, end = 5.0, 0.3, 0.0
    for start in (0.0, 6.0 + silence) if known else (6.0 + silence,):
        beginning = SPOKEN if start == 0.0 else SPOKEN[:40]
        for number, level in enumerate(beginning):
            said.add(start + number * STEP, float(level))
            end = start + number * STEP + delay
            echo_path.heard.add(end, float(level) - 20.0)
            found = echo_path.explains(said, end)
    assert found is known
