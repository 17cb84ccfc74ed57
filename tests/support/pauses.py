"""Pauses of a turn, and what a policy makes of them: eot-bench's method. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from voice_agent.models.audio import RECOGNITION_RATE, Samples

WINDOW: Final = 512
"""Samples of a probability of speech."""
ON: Final = 0.5
OFF: Final = 0.35
SHORTEST_SOUND: Final = 0.06
SHORTEST_PAUSE: Final = 0.1
NEVER: Final = 2.0
"""A threshold that no probability reaches: silence alone."""


@dataclass(frozen=True)
class Pause:
    turn: str
    at: float
    lasts: float
    ends: bool
    """The turn is over. Otherwise its speaker goes on after `lasts` seconds."""
    probability: Mapping[str, float]
    """Of each detector, after LOOK seconds. Empty in a shorter pause."""


@dataclass(frozen=True)
class Policy:
    detector: str
    threshold: float
    done: float
    """Seconds of silence that end a turn which the detector holds for finished."""
    limit: float
    """Seconds that end any turn."""

    def wait(self, pause: Pause) -> float:
        sure = pause.probability.get(self.detector, 0.0) >= self.threshold
        return self.done if sure else self.limit


@dataclass(frozen=True)
class Outcome:
    policy: Policy
    pauses_cut: int
    turns_cut: int
    waits: tuple[float, ...]
    """Dead air after each turn."""

    @property
    def median(self) -> float:
        return float(np.median(self.waits))


def outcome(pauses: Sequence[Pause], policy: Policy) -> Outcome:
    cut = [pause.turn for pause in pauses if not pause.ends and pause.lasts > policy.wait(pause)]
    waits = tuple(policy.wait(pause) for pause in pauses if pause.ends)
    return Outcome(policy, len(cut), len(set(cut)), waits)


def spoken(probabilities: Sequence[float]) -> list[tuple[float, float]]:
    """Stretches of speech in seconds, at least SHORTEST_PAUSE apart."""
    joined: list[tuple[float, float]] = []
    for start, end in _stretches(probabilities):
        if joined and start - joined[-1][1] < SHORTEST_PAUSE:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _stretches(probabilities: Sequence[float]) -> Iterator[tuple[float, float]]:
    step = WINDOW / RECOGNITION_RATE
    begun = last = None
    for number, probability in enumerate([*probabilities, *[0.0] * 4]):
        now = number * step
        if probability >= ON or (begun is not None and probability > OFF):
            begun = now if begun is None else begun
            last = now + step
        elif begun is not None and last is not None and now + step - last >= SHORTEST_PAUSE - 0.01:
            if last - begun >= SHORTEST_SOUND:
                yield begun, last
            begun = None


def room(sound: Samples, seconds: float) -> Samples:
    """The quietest 0.3 s of the sound, forwards and backwards, for so long."""
    tenth = RECOGNITION_RATE // 10
    energy = np.square(sound[: len(sound) // tenth * tenth]).reshape(-1, tenth).mean(axis=1)
    at = int(np.convolve(energy, np.ones(3), "valid").argmin()) * tenth
    quiet = sound[at : at + 3 * tenth]
    return np.asarray(np.resize(np.concatenate([quiet, quiet[::-1]]), int(seconds * RECOGNITION_RATE)), np.float32)
