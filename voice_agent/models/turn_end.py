"""smart-turn: hears in the last seconds of speech whether the speaker has finished. No HTTP here."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voice_agent.models.audio import RECOGNITION_RATE, Samples
from voice_agent.models.onnx import Cancellation, open_session, run

HEARS: Final = 8 * RECOGNITION_RATE
"""Samples. Shorter speech is filled up with silence in front."""
WINDOW: Final = 400
HOP: Final = 160
MELS: Final = 80


class SmartTurn:
    def __init__(self, model: Path) -> None:
        self._session = open_session(model, 1)

    def probability(self, samples: Samples, cancellation: Cancellation) -> float:
        """That the turn is over at the end of the samples, which are followed by silence."""
        return float(run(self._session, {"input_features": features(samples)}, cancellation)[0].ravel()[0])


def features(samples: Samples) -> NDArray[np.float32]:
    """Whisper's log-mel spectrogram of the last 8 s, each clip normalised."""
    heard = samples[-HEARS:]
    heard = np.concatenate([np.zeros(HEARS - len(heard), np.float32), heard])
    heard = (heard - heard.mean()) / np.sqrt(heard.var() + 1e-7)
    padded = np.pad(heard, WINDOW // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][: HEARS // HOP]
    power = np.abs(np.fft.rfft(frames * _HANN, axis=1)) ** 2
    mel = np.log10(np.maximum(_FILTERS @ power.T, 1e-10))
    mel = (np.maximum(mel, mel.max() - 8.0) + 4.0) / 4.0
    return np.asarray(mel[np.newaxis], np.float32)


def _filters() -> NDArray[np.float32]:
    """Slaney's mel filters, of equal area."""
    frequencies = np.linspace(0, RECOGNITION_RATE / 2, WINDOW // 2 + 1)
    points = _hertz(np.linspace(0.0, _MEL_OF_NYQUIST, MELS + 2))
    widths = np.diff(points)
    slopes = points[:, None] - frequencies[None]
    triangles = np.maximum(0.0, np.minimum(-slopes[:-2] / widths[:-1, None], slopes[2:] / widths[1:, None]))
    return np.asarray(triangles * (2.0 / (points[2:] - points[:-2]))[:, None], np.float32)


def _hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = 200.0 * mels / 3.0
    return np.where(mels >= 15.0, 1000.0 * np.exp(np.log(6.4) * (mels - 15.0) / 27.0), linear)


_MEL_OF_NYQUIST: Final = 15.0 + 27.0 * np.log(RECOGNITION_RATE / 2 / 1000.0) / np.log(6.4)
_HANN: Final = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
_FILTERS: Final = _filters()
