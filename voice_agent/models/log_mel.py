"""Log-mel spectrogram as Whisper was trained on it: 80 bands, one column for each hundredth of a second. Pure."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voice_agent.models.audio import RECOGNITION_RATE, Samples

BANDS: Final = 80
FRAME: Final = 400
HOP: Final = 160
DYNAMIC_RANGE: Final = 8.0
"""Powers of ten below the loudest value; fainter ones are raised to it."""
_LINEAR_BELOW: Final = 1000.0
"""Hertz. The mel scale of Slaney's Auditory Toolbox is linear below and logarithmic above."""
_LINEAR_STEP: Final = 200.0 / 3
_LOG_STEP: Final = np.log(6.4) / 27


def log_mel(samples: Samples) -> NDArray[np.float32]:
    """(80, hundredths of a second) of 16 kHz speech."""
    padded = np.pad(samples, FRAME // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP][: len(samples) // HOP]
    power = np.square(np.abs(np.fft.rfft(frames * _window(), axis=1))).astype(np.float32)
    found = np.log10(np.maximum(_bands() @ power.T, 1e-10))
    return np.ascontiguousarray((np.maximum(found, found.max() - DYNAMIC_RANGE) + 4.0) / 4.0, np.float32)


@cache
def _window() -> NDArray[np.float32]:
    return np.hanning(FRAME + 1)[:-1].astype(np.float32)


@cache
def _bands() -> NDArray[np.float32]:
    """One triangle for each band over the frequencies of a frame, of equal area."""
    frequencies = np.linspace(0.0, RECOGNITION_RATE / 2, FRAME // 2 + 1)
    corners = _hertz(np.linspace(0.0, _mel(RECOGNITION_RATE / 2), BANDS + 2))
    width = np.diff(corners)
    distance = corners[:, np.newaxis] - frequencies
    rising, falling = -distance[:-2] / width[:-1, np.newaxis], distance[2:] / width[1:, np.newaxis]
    area = 2.0 / (corners[2:] - corners[:-2])
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)) * area[:, np.newaxis], np.float32)


def _mel(hertz: float) -> float:
    """Of a frequency above the linear part."""
    return float(_LINEAR_BELOW / _LINEAR_STEP + np.log(hertz / _LINEAR_BELOW) / _LOG_STEP)


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    first_log = _LINEAR_BELOW / _LINEAR_STEP
    return np.where(mel < first_log, mel * _LINEAR_STEP, _LINEAR_BELOW * np.exp(_LOG_STEP * (mel - first_log)))
