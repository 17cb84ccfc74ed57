"""smart-turn: hears in the last seconds of speech whether the speaker has finished. No HTTP here."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voice_agent.models.audio import RECOGNITION_RATE, Samples
from voice_agent.models.log_mel import log_mel
from voice_agent.models.onnx import Cancellation, open_session, run

HEARS: Final = 8 * RECOGNITION_RATE
"""Samples. Shorter speech is filled up with silence in front."""


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
    return log_mel(heard)[np.newaxis]
