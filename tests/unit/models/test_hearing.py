from __future__ import annotations

import numpy as np

from voice_agent.models.audio import RECOGNITION_RATE
from voice_agent.models.stt import GAP, without_long_silences

SECOND = RECOGNITION_RATE


def noise(seconds: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.random.default_rng(1).uniform(-0.5, 0.5, int(seconds * SECOND)).astype(np.float32)


def silence(seconds: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return noise(seconds) * np.float32(0.001)


def test_words_stay_whole_and_long_silences_become_short() -> None:
    word, other = noise(0.5), noise(0.3)
    dense = without_long_silences(np.concatenate([silence(2), word, silence(3), other, silence(1)]))
    assert len(dense) == len(word) + len(other) + 4 * GAP
    np.testing.assert_array_equal(dense[GAP : GAP + len(word)], word)
    np.testing.assert_array_equal(dense[-GAP - len(other) : -GAP], other)


def test_what_has_no_silence_stays_as_it_is() -> None:
    for sound in (noise(1), np.concatenate([noise(0.5), silence(0.2), noise(0.5)]), noise(0.001), noise(0.5)[:-7]):
        np.testing.assert_array_equal(without_long_silences(sound), sound)
