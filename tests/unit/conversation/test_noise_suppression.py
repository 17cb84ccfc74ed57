"""The table of noise suppressors, and what livekit's own does to noise and to a tone."""

from __future__ import annotations

import numpy as np
import pytest
from livekit import rtc
from pydantic import ValidationError

from voice_agent.conversation.noise_suppression import NONE, SUPPRESSORS, WebRtcSuppressor, for_each_track
from voice_agent.models.audio import RECOGNITION_RATE, Samples, pcm16
from voice_agent.settings import Settings

FRAME = RECOGNITION_RATE // 20
SECONDS = 4


def through(suppressor: rtc.FrameProcessor[rtc.AudioFrame], sound: Samples) -> Samples:
    heard = []
    for start in range(0, len(sound), FRAME):
        frame = rtc.AudioFrame(pcm16(sound[start : start + FRAME]), RECOGNITION_RATE, 1, FRAME)
        processed = suppressor._process(frame)
        assert (processed.sample_rate, processed.samples_per_channel) == (RECOGNITION_RATE, FRAME)
        heard.append(np.frombuffer(processed.data, np.int16).astype(np.float32) / 32768.0)
    return np.concatenate(heard)


def loudness(sound: Samples) -> float:
    """Of the last second: the noise is known by then."""
    return float(np.sqrt((sound[-RECOGNITION_RATE:] ** 2).mean()))


@pytest.fixture
def noise() -> Samples:
    return np.asarray(0.02 * np.random.default_rng(0).standard_normal(SECONDS * RECOGNITION_RATE), np.float32)


@pytest.mark.usefixtures("media_engine")
def test_steady_noise_gets_quieter_by_more_than_half(noise: Samples) -> None:
    assert loudness(through(WebRtcSuppressor(), noise)) < 0.5 * loudness(noise)


@pytest.mark.usefixtures("media_engine")
def test_a_sound_that_comes_and_goes_stays(noise: Samples) -> None:
    at = np.arange(len(noise)) / RECOGNITION_RATE
    syllables = np.asarray(0.3 * np.sin(2 * np.pi * 400 * at) * (np.sin(2 * np.pi * 4 * at) > 0), np.float32)
    assert loudness(through(WebRtcSuppressor(), syllables + noise)) > 0.7 * loudness(syllables)


@pytest.mark.usefixtures("media_engine")
def test_each_track_has_its_own() -> None:
    select = for_each_track("webrtc")
    assert select is not None
    one, other = select(None), select(None)
    assert one is not other
    assert one.enabled


def test_without_suppression_livekit_is_given_none() -> None:
    assert for_each_track(NONE) is None


def test_the_setting_knows_what_is_in_the_table() -> None:
    for name in SUPPRESSORS:
        assert Settings.model_validate({"VOICE_NOISE_SUPPRESSION": name}).noise_suppression == name
    with pytest.raises(ValidationError):
        Settings.model_validate({"VOICE_NOISE_SUPPRESSION": "magic"})
