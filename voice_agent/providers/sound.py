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
