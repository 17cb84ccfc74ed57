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
_LOUD: Final = 10
"""Steps of the assistant's voice without which two beginnings look alike by chance."""
_VARIES: Final = 3.0
"""Decibels of standard deviation. Of an even sound nothing can be said."""
_QUIETER: Final = -6.0
"""Decibels. What is louder is no echo behind a loudspeaker and a microphone."""
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

    def until(self, step: int, count: int) -> NDArray[np.float64]:
        return np.array([self._levels.get(one, _FLOOR) for one in range(step - count + 1, step + 1)])


class Echo:
    """Compares both; knows how late the echo is once it was found."""

    def __init__(self) -> None:
        self.heard = Loudness()
        self._lag: int | None = None

    def explains(self, said: Loudness, now: float) -> bool:
        """Whether what is heard now is what was said before."""
        last = int(now / _STEP)
        microphone = self.heard.until(last, _COMPARED)
        if microphone.std() < _VARIES:
            return False
        own = said.until(last, _COMPARED + _LAGS[-1])
        for lag in _LAGS:
            before = own[len(own) - lag - _COMPARED : len(own) - lag]
            known = self._lag is not None and abs(lag - self._lag) <= 1
            if not known and (before > _FLOOR).sum() < _LOUD:
                continue
            if before.std() >= _VARIES and np.corrcoef(microphone, before)[0, 1] >= _ALIKE:
                gain = float(np.median((microphone - before)[before > _FLOOR]))
                if gain <= _QUIETER and microphone[-1] <= max(before[-2:].max() + gain + _ABOVE, _FLOOR):
                    self._lag = lag
                    return True
        return False
