"""What was heard of a story that was held: when it fell silent, when it went on, what was lost or heard twice."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tests.support.overheard import FRAME, QUIET, RATE, Listener, Story
from voice_agent.models.audio import Samples

GAP: Final = 0.15
"""Seconds. The story has no longer silence of its own."""
MATCHED: Final = 0.4
"""Seconds of sound by which a place in the story is found."""


@dataclass(frozen=True)
class HeardOf:
    silent_after: float | None
    """Seconds from the onset of the sound to the silence; None: it did not fall silent."""
    gap: float
    """Seconds of silence in all until it went on, or until the end of the case."""
    went_on: bool
    place: float
    """Second of the story at which it fell silent."""
    lost: float | None
    """Seconds of the story that are missing where it went on; negative: heard twice."""


def heard_of(story: Story, listener: Listener, onset: float, until: float) -> HeardOf:
    times, levels = listener.levels()
    sound = np.concatenate(listener.heard)
    starts = times - FRAME
    gaps = [(a, b) for a, b in _quiet(levels) if starts[b - 1] + FRAME > onset and starts[a] < until]
    gaps = [(a, b) for a, b in gaps if (b - a) * FRAME >= GAP]
    if not gaps:
        return HeardOf(None, 0.0, True, 0.0, 0.0)
    first, last = gaps[0], gaps[-1]
    size = int(FRAME * RATE)
    place = _place(story.samples, sound, first[0] * size - int((MATCHED + FRAME) * RATE)) + MATCHED + FRAME
    went_on = last[1] < len(levels) and (len(levels) - last[1]) * FRAME >= MATCHED + 0.1
    lost = None
    if went_on:
        lost = _place(story.samples, sound, last[1] * size + int(FRAME * RATE)) - FRAME - place
        lost -= sum((b[0] - a[1]) * FRAME for a, b in itertools.pairwise(gaps))
    silence = sum((b - a) * FRAME for a, b in gaps)
    return HeardOf(max(0.0, float(starts[first[0]] - onset)), silence, went_on, place, lost)


def _quiet(levels: np.ndarray[Any, Any]) -> list[tuple[int, int]]:
    """Runs of quiet frames."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (levels < QUIET).astype(int), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _place(story: Samples, sound: Samples, start: int) -> float:
    """Second of the story at which this piece of the sound begins: the highest normalised correlation."""
    if start < 0:  # too early to compare: nothing was lost before
        return start / RATE
    piece = sound[start : start + int(MATCHED * RATE)]
    size = len(story) + len(piece)
    found = np.fft.irfft(np.fft.rfft(story, size) * np.conj(np.fft.rfft(piece, size)), size)[: len(story) - len(piece)]
    energy = np.cumsum(np.concatenate([[0], story.astype(np.float64) ** 2]))
    norm = np.sqrt(energy[len(piece) :] - energy[: -len(piece)])[: len(found)]
    return float(np.argmax(found / np.maximum(norm, 1e-3))) / RATE
