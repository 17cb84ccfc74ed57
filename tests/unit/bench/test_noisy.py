"""Scenes of the noise bench: as loud as they say, the same each time, and how sure a difference is."""

from __future__ import annotations

import numpy as np
import pytest

from tests.bench.noise import difference
from tests.support.clips import Clip
from tests.support.noisy import AFTER, LEAD, NOISES, Scene, heard, in_a_room, loudness, loudness_of_speech
from tests.support.speech import wav
from voice_agent.models.audio import RECOGNITION_RATE, Samples

RANDOM = np.random.default_rng(0)
HUM = 50.0


def voice(seconds: float = 2.0) -> Samples:
    at = np.arange(int(seconds * RECOGNITION_RATE)) / RECOGNITION_RATE
    syllables = 0.02 * np.sin(2 * np.pi * 300 * at) * (np.sin(2 * np.pi * at) > 0)
    return np.asarray(syllables, np.float32)


def clips() -> tuple[Clip, ...]:
    return tuple(Clip(f"clip {number}", wav(voice(), RECOGNITION_RATE), "said") for number in range(len(NOISES)))


@pytest.mark.parametrize("decibels", [10, 0])
def test_the_noise_is_as_much_quieter_than_the_speech_as_the_scene_says(decibels: int) -> None:
    for clean, noisy in zip(heard(Scene("quiet"), clips()), heard(Scene("noise", decibels), clips()), strict=True):
        noise = noisy.sound - clean.sound
        ratio = 20 * np.log10(loudness_of_speech(voice()) / loudness(noise))
        assert ratio == pytest.approx(decibels, abs=0.5)
        assert len(noisy.sound) == len(voice()) + int((LEAD + AFTER) * RECOGNITION_RATE)


def test_a_clip_meets_each_noise_in_turn_and_the_same_one_again() -> None:
    scene, one = Scene("noise", 10), clips()[:1]
    turns = [next(heard(scene, one, turn)) for turn in range(len(NOISES))]
    assert {sound.noise for sound in turns} == set(NOISES)
    assert np.array_equal(next(heard(scene, one, 1)).sound, turns[1].sound)


def test_hum_is_no_part_of_the_loudness_of_speech() -> None:
    at = np.arange(len(voice())) / RECOGNITION_RATE
    hum = np.asarray(0.06 * np.sin(2 * np.pi * HUM * at), np.float32)
    assert loudness_of_speech(voice() + hum) == pytest.approx(loudness_of_speech(voice()), rel=0.05)


def test_in_a_room_the_direct_sound_comes_first_and_the_rest_dies_away() -> None:
    click = np.zeros(RECOGNITION_RATE // 10, np.float32)
    click[0] = 1.0
    sound = in_a_room(click, 0.5, -6.0, RANDOM)
    assert sound[0] == pytest.approx(1.0, abs=0.01)
    rest = sound[1:] ** 2
    assert 10 * np.log10(1.0 / rest.sum()) == pytest.approx(-6.0, abs=0.1)
    tenth = RECOGNITION_RATE // 10
    assert rest[:tenth].sum() > 10 * rest[2 * tenth : 3 * tenth].sum()


def test_a_difference_of_all_clips_is_sure_and_one_of_few_is_not() -> None:
    sure = difference([(1, 10)] * 20)
    assert (sure["by"], sure["from"]) == (0.1, 0.1)
    unsure = difference([(5, 10), (-4, 10), *[(0, 10)] * 8])
    assert unsure["from"] < 0.0 < unsure["to"]
