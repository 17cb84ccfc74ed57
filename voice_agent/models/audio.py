"""Audio decoding and encoding. Internally speech is one channel of float32; input may be anything FFmpeg reads."""

from __future__ import annotations

import io
from typing import Final

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from voice_agent.errors import Code, Permanent

Samples = NDArray[np.float32]

RECOGNITION_RATE: Final = 16_000
LONGEST_SECONDS: Final = 30 * 60.0


def decode(data: bytes) -> Samples:
    """An uploaded recording as 16 kHz mono. A truncated file yields the part that is readable."""
    if not data:
        raise Permanent(Code.BAD_REQUEST, "The uploaded audio is empty.", "Send a WAV, MP3, Ogg, FLAC or WebM file.")
    blocks: list[NDArray[np.int16]] = []
    longest = int(LONGEST_SECONDS * RECOGNITION_RATE)
    total = 0
    try:
        with av.open(io.BytesIO(data), mode="r") as container:
            stream = container.streams.audio[0]
            resampler = av.AudioResampler(format="s16", layout="mono", rate=RECOGNITION_RATE)
            try:
                for frame in container.decode(stream):
                    total += _append(blocks, resampler.resample(frame))
                    if total > longest:
                        raise Permanent(
                            Code.BAD_REQUEST,
                            f"The recording is longer than {LONGEST_SECONDS / 60:.0f} minutes.",
                            "Send it in pieces.",
                        )
            except av.error.FFmpegError:
                if not total:
                    raise
            _append(blocks, resampler.resample(None))
    except (av.error.FFmpegError, IndexError, ValueError) as error:
        raise Permanent(
            Code.BAD_REQUEST, "The upload is not audio that can be read.", "Send a WAV, MP3, Ogg, FLAC or WebM file."
        ) from error
    if not blocks:
        return np.zeros(0, np.float32)
    return np.concatenate(blocks).astype(np.float32) / 32768.0


def _append(blocks: list[NDArray[np.int16]], frames: list[av.AudioFrame]) -> int:
    arrays = [frame.to_ndarray()[0] for frame in frames if frame.samples]
    blocks.extend(arrays)
    return sum(len(array) for array in arrays)


def pcm16(samples: Samples) -> bytes:
    return (np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()
