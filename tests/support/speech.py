"""Speech for tests, synthesised and transcribed by the real endpoints: the caller's microphone and what was said."""

from __future__ import annotations

import io
import re
import wave
from difflib import SequenceMatcher
from pathlib import Path

import httpx
import numpy as np
import soxr
from numpy.typing import NDArray

from tests.support.eventually import eventually

TTS_RATE = 24_000


def say(
    text: str,
    base_url: str,
    *,
    model: str = "kokoro-82m",
    voice: str = "am_michael",
    rate: int = 48_000,
    before: float = 0.5,
    after: float = 2.0,
) -> bytes:
    """A 16-bit mono WAV of `text` spoken between two silences. `base_url` ends with /v1."""
    wish = {"model": model, "voice": voice, "input": text, "response_format": "pcm"}
    answer = httpx.post(f"{base_url}/audio/speech", json=wish, timeout=120).raise_for_status()
    samples = np.frombuffer(answer.content, "<i2").astype(np.float32) / 32768.0
    spoken = np.asarray(soxr.resample(samples, TTS_RATE, rate), np.float32)
    quiet = (np.zeros(int(before * rate), np.float32), np.zeros(int(after * rate), np.float32))
    return wav(np.concatenate([quiet[0], spoken, quiet[1]]), rate)


def say_to(path: Path, text: str, base_url: str, **options: float | int | str) -> Path:
    """`say`, written to a file for Chromium's --use-file-for-fake-audio-capture."""
    path.write_bytes(say(text, base_url, **options))  # type: ignore[arg-type]
    return path


def samples_of(sound: bytes) -> NDArray[np.float32]:
    """Of a 16-bit mono WAV."""
    with wave.open(io.BytesIO(sound)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768.0


def recognise(
    sound: bytes | NDArray[np.float32],
    base_url: str,
    *,
    rate: int = 48_000,
    language: str = "en",
    within: float = 120.0,
) -> str:
    """The transcript of the real STT model. Samples are mono floats at `rate`; bytes are a file. `within`: seconds in
    which the recogniser of the language may be fetched and loaded."""
    content = sound if isinstance(sound, bytes) else wav(sound, rate)

    def ask() -> httpx.Response:
        return httpx.post(
            f"{base_url}/audio/transcriptions",
            files={"file": ("sound.wav", content, "audio/wav")},
            data={"model": "moonshine-base", "language": language},
            timeout=120,
        )

    answer = eventually(ask, lambda answer: answer.status_code != 503, within=within)
    text: str = answer.raise_for_status().json()["text"]
    return text


def without_silence(samples: NDArray[np.float32], rate: int, *, loud: float = 0.01) -> NDArray[np.float32]:
    """The samples within a third of a second of a loud sound: STT models miss words between long silences."""
    frame = rate // 50
    frames = samples[: len(samples) // frame * frame].reshape(-1, frame)
    if not len(frames):
        return np.zeros(0, np.float32)
    loudest = np.abs(frames).max(axis=1) > loud
    near = np.convolve(loudest, np.ones(33), mode="full")[16 : 16 + len(frames)] > 0
    return np.asarray(frames[near].reshape(-1), np.float32)


def wav(samples: NDArray[np.float32], rate: int) -> bytes:
    """16-bit; two columns of samples are the left and the right side."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(samples.shape[1] if samples.ndim > 1 else 1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


NUMBERS = {
    str(number): word
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    )
}


FILLERS = frozenset({"uh", "um", "hmm"})
"""Human transcripts contain them, STT need not: usual for word error rates."""


def words(text: str) -> list[str]:
    """Lower case, no punctuation, no fillers, small numbers as words."""
    plain = re.findall(r"[a-z0-9]+", text.lower().replace("’", "'").replace("'", ""))
    return [NUMBERS.get(word, word) for word in plain if word not in FILLERS]


def sounds_like(word: str, heard: list[str]) -> bool:
    """Whether STT may have heard this word: on a busy machine its audio has gaps."""
    alike = (SequenceMatcher(None, word, one).ratio() for one in heard)
    return max(alike, default=0.0) >= 0.7


def word_error_rate(said: str, heard: str) -> float:
    """Insertions, deletions and replacements per spoken word."""
    reference, found = words(said), words(heard)
    row = list(range(len(found) + 1))
    for i, wanted in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, word in enumerate(found, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (wanted != word))
    return row[-1] / max(1, len(reference))
