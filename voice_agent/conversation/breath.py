"""A breath of silence, played where speech could not be made: without any audio livekit shows no text either."""

from __future__ import annotations

from typing import Final

from livekit import rtc

_RATE: Final = 24_000
A_BREATH: Final = rtc.AudioFrame(bytes(_RATE // 5), _RATE, 1, _RATE // 10)
