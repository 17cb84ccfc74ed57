"""Features of the model that hears the end of a turn."""

from __future__ import annotations

import numpy as np
import pytest

from voice_agent.models.log_mel import BANDS, HOP
from voice_agent.models.turn_end import HEARS, features


def tone(hertz: float, seconds: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.sin(2 * np.pi * hertz * np.arange(int(seconds * 16_000)) / 16_000).astype(np.float32)


def test_short_speech_stands_at_the_end() -> None:
    mel = features(tone(1000, 1.0))
    assert mel.shape == (1, BANDS, HEARS // HOP)
    level = mel[0].max(axis=0)
    assert level[:690].max() < level[710:].min()


def test_the_end_of_long_speech_is_heard() -> None:
    long = np.concatenate([tone(300, 5.0), tone(1000, 8.0)])
    np.testing.assert_allclose(features(long), features(tone(1000, 8.0)), atol=1e-4)


@pytest.mark.parametrize(("hertz", "filter_number"), [(500, 13), (1000, 26), (4000, 61)])
def test_a_tone_is_in_its_filter(hertz: float, filter_number: int) -> None:
    assert abs(int(features(tone(hertz, 8.0))[0].mean(axis=1).argmax()) - filter_number) <= 1


def test_loudness_does_not_matter() -> None:
    speech = tone(700, 2.0)
    np.testing.assert_allclose(features(speech), features(speech * 0.1), atol=1e-3)
