"""WAV format of speech on the wire, without a decoder: for modules that only send or pass on speech."""

from __future__ import annotations

import struct
from typing import Final

SYNTHESIS_RATE: Final = 24_000


def wav_header(rate: int, data_bytes: int | None = None) -> bytes:
    """A header for 16-bit mono. Without a length it announces the longest possible file, as streaming servers do."""
    size = 0xFFFF_FFFF - 36 if data_bytes is None else data_bytes
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", size + 36, b"WAVE", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16, b"data", size
    )


def wav_file(pcm: bytes, rate: int) -> bytes:
    return wav_header(rate, len(pcm)) + pcm


def whole_wav(sound: bytes) -> bytes | None:
    """A WAV file as a streaming server sends it, with its true length in the header; None: it is no PCM of 16 bits."""
    if len(sound) < 12 or sound[:4] != b"RIFF" or sound[8:12] != b"WAVE":
        return None
    at, form = 12, b""
    while at + 8 <= len(sound):
        name, size = struct.unpack_from("<4sI", sound, at)
        if name == b"data":
            data = sound[at + 8 : at + 8 + size]
            break
        if name == b"fmt ":
            form = sound[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    else:
        return None
    if len(form) < 16 or not data:
        return None
    kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", form)
    if (kind, channels, bits) != (1, 1, 16):
        return None
    return wav_file(data[: len(data) // 2 * 2], rate)
