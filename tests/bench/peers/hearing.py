"""What a client heard, and when: the beginning of an answer, its end, and both sides as one recording. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

RATE: Final = 24_000
LOUD: Final = 0.01
"""Root mean square of a frame in which somebody is audible."""
FRAME: Final = RATE // 50
_LATE: Final = 0.2
"""Seconds between the arrival of a frame and the end of the last one that are not a gap in the sound."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One frame."""

    at: float
    """Clock at its end."""
    samples: Samples

    @property
    def loud(self) -> bool:
        return float(np.sqrt(np.mean(self.samples**2))) > LOUD


def first_sound(frames: Iterable[Heard], after: float) -> float | None:
    """When somebody was first audible after this time."""
    return next((frame.at for frame in frames if frame.at > after and frame.loud), None)


def last_sound(frames: Sequence[Heard]) -> float | None:
    return next((frame.at for frame in reversed(frames) if frame.loud), None)


def spoke_over(frames: Iterable[Heard], began: float, ended: float) -> bool:
    """Whether the other side was audible during a question."""
    return any(began < frame.at <= ended and frame.loud for frame in frames)


def between(frames: Iterable[Heard], after: float, until: float) -> Samples:
    found = [frame.samples for frame in frames if after < frame.at <= until]
    return np.concatenate(found) if found else np.zeros(0, np.float32)


def line(frames: Iterable[Heard], began: float) -> Samples:
    """One side of a recording that began at this time. Frames that follow each other stay together, whatever the time
    of their arrival."""
    parts: list[Samples] = []
    length = 0
    for frame in frames:
        start = round((frame.at - began) * RATE) - len(frame.samples)
        if start - length > _LATE * RATE or (not length and start > 0):
            parts.append(np.zeros(start - length, np.float32))
            length = start
        parts.append(frame.samples)
        length += len(frame.samples)
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def both_sides(left: Iterable[Heard], right: Iterable[Heard], began: float) -> NDArray[np.float32]:
    """Two columns of the same length."""
    sides = [line(left, began), line(right, began)]
    length = max(len(side) for side in sides)
    return np.stack([np.pad(side, (0, length - len(side))) for side in sides], axis=1)


def trimmed(sound: Samples) -> Samples:
    """Without the silence before the first sound and after the last one."""
    loud = np.flatnonzero(np.abs(sound) > LOUD)
    return sound[loud[0] : loud[-1] + 1]
