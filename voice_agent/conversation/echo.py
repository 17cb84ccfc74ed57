"""Echo: whether a sound at the microphone is the assistant's own voice, heard again a moment later and quieter. Pure.

Compares how loudness went in the last two seconds, not the sound itself, which a room and a loudspeaker change.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_STEP: Final = 0.05
"""Seconds of one value."""
_COMPARED: Final = 40
_LAGS: Final = range(1, 25)
"""Steps between a sound that is given away and its echo: queues, network and room."""
_KEPT: Final = 2 * _COMPARED + _LAGS[-1]
_FLOOR: Final = -60.0
"""dBFS. What is quieter counts as silence."""
_ALIKE: Final = 0.75
"""Correlation from which the one follows the other."""
_AROUND: Final = 2
"""Steps by which the echo may come sooner or later than it was found."""
_LOUD: Final = 10
"""Steps of the assistant's voice without which two beginnings look alike by chance."""
_VARIES: Final = 3.0
"""Decibels of standard deviation. Of an even sound nothing can be said."""
_QUIETER: Final = -6.0
"""Decibels. What is louder is no echo behind a loudspeaker and a microphone."""
_BELIEVED: Final = 20.0
"""Seconds after which what was found counts no more, unless it is found again: it may have been chance."""
_ABOVE: Final = 8.0
"""Decibels above its echo from which somebody else speaks."""


class Loudness:
    """The loudest value of each step of time."""

    def __init__(self) -> None:
        self._levels: dict[int, float] = {}

    def add(self, at: float, level: float) -> None:
        step = int(at / _STEP)
        self._levels[step] = max(level, self._levels.get(step, _FLOOR))
        if len(self._levels) > 2 * _KEPT:
            self._levels = {one: self._levels[one] for one in self._levels if one > step - _KEPT}

    def take_back(self, at: float) -> None:
        """What was to be heard from then on is not."""
        self._levels = {step: level for step, level in self._levels.items() if step <= int(at / _STEP)}

    def until(self, step: int, count: int) -> NDArray[np.float64]:
        return np.array([self._levels.get(one, _FLOOR) for one in range(step - count + 1, step + 1)])


class Echo:
    """Compares both; knows how late and how quiet the echo is once it was found."""

    def __init__(self) -> None:
        self.heard = Loudness()
        self._found: tuple[int, float] | None = None
        """Lag in steps, and gain in decibels."""
        self._found_at = 0.0

    def explains(self, said: Loudness, now: float) -> bool:
        """Whether what is heard now is what was said before."""
        last = int(now / _STEP)
        own = said.until(last, _COMPARED + _LAGS[-1])
        if found := self._look(self.heard.until(last, _COMPARED), own):
            self._found, self._found_at = found, now
        if self._found is None or now > self._found_at + _BELIEVED:
            return False
        lag, gain = self._found
        before = own[len(own) - lag - _AROUND - 1 : len(own) - lag + _AROUND]
        level = float(self.heard.until(last, 1)[0])
        return level <= max(float(before.max()) + gain + _ABOVE, _FLOOR)

    def _look(self, microphone: NDArray[np.float64], own: NDArray[np.float64]) -> tuple[int, float] | None:
        if microphone.std() < _VARIES:
            return None
        for lag in _LAGS:
            before = own[len(own) - lag - _COMPARED : len(own) - lag]
            loud = before > _FLOOR
            if loud.sum() < _LOUD or before.std() < _VARIES:
                continue
            gain = float(np.median((microphone - before)[loud]))
            if gain <= _QUIETER and np.corrcoef(microphone, before)[0, 1] >= _ALIKE:
                return lag, gain
        return None
