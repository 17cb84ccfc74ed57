"""Encoders of 24 kHz speech into the file formats that OpenAI's clients may ask for, incrementally."""

from __future__ import annotations

import fractions
from collections.abc import Mapping
from typing import Final, Protocol

import av
import numpy as np

from voice_agent.providers.sound import SYNTHESIS_RATE, wav_header

MEDIA_TYPES: Final[Mapping[str, str]] = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
CODECS: Final[Mapping[str, tuple[str, str, str]]] = {
    # container, codec, sample format
    "mp3": ("mp3", "libmp3lame", "s16p"),
    "opus": ("ogg", "libopus", "s16"),
    "aac": ("adts", "aac", "fltp"),
    "flac": ("flac", "flac", "s16"),
}


class Encoder(Protocol):
    def feed(self, pcm: bytes) -> bytes: ...
    def finish(self) -> bytes: ...


def encoder(name: str) -> Encoder:
    return _Compressed(name) if name in CODECS else _Raw(wav_header(SYNTHESIS_RATE) if name == "wav" else b"")


class _Raw:
    def __init__(self, head: bytes) -> None:
        self._head = head

    def feed(self, pcm: bytes) -> bytes:
        head, self._head = self._head, b""
        return head + pcm

    def finish(self) -> bytes:
        return b""


class _Sink:
    """Write-only file object that cannot seek, like the connection that the bytes go to."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def take(self) -> bytes:
        taken, self._written = bytes(self._written), bytearray()
        return taken


class _Compressed:
    def __init__(self, name: str) -> None:
        container, codec, sample_format = CODECS[name]
        self._sink = _Sink()
        self._container = av.open(self._sink, mode="w", format=container)
        stream = self._container.add_stream(codec, rate=SYNTHESIS_RATE)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        stream.format = sample_format
        self._stream = stream
        self._resampler = av.AudioResampler(format=sample_format, layout="mono", rate=SYNTHESIS_RATE)
        self._odd = b""
        self._position = 0

    def feed(self, pcm: bytes) -> bytes:
        pcm = self._odd + pcm
        whole = len(pcm) // 2 * 2
        self._odd = pcm[whole:]
        samples = np.frombuffer(pcm[:whole], "<i2")
        if len(samples):
            frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
            frame.sample_rate = SYNTHESIS_RATE
            frame.time_base = fractions.Fraction(1, SYNTHESIS_RATE)
            frame.pts = self._position
            self._position += len(samples)
            for converted in self._resampler.resample(frame):
                self._container.mux(self._stream.encode(converted))
        return self._sink.take()

    def finish(self) -> bytes:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._sink.take()
