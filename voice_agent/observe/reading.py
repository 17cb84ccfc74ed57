"""Reader of JSON-line files: rotated, still growing, with a torn last line, larger than memory."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One line and its place. `data` is None when the line is not a JSON object; `torn`: it has no newline yet."""

    file: str
    number: int
    data: dict[str, Any] | None
    torn: bool = False

    @property
    def place(self) -> str:
        return f"{self.file}:{self.number}"

    @property
    def mono(self) -> float:
        value = self.data.get("mono") if self.data else None
        return float(value) if isinstance(value, int | float) else 0.0


def parse(raw: bytes) -> dict[str, Any] | None:
    try:
        data = json.loads(raw)
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


def read_file(path: Path) -> Iterator[Entry]:
    with path.open("rb") as lines:
        for number, raw in enumerate(lines, start=1):
            if raw.strip():
                yield Entry(str(path), number, parse(raw), torn=not raw.endswith(b"\n"))


def _began(path: Path) -> str:
    return next((str(entry.data.get("time", "")) for entry in read_file(path) if entry.data), "")


def read_all(paths: Iterable[Path]) -> Iterator[Entry]:
    """Entries of the rotated files of one log, oldest first, whatever the order and the names of the files."""
    for path in sorted(paths, key=lambda path: (_began(path), str(path))):
        yield from read_file(path)


def joined(log: Iterable[Entry], record: Iterable[Entry]) -> Iterator[tuple[bool, Entry]]:
    """Both streams merged by the host's monotonic clock; True marks the observer's entries."""
    ours = ((False, entry) for entry in log)
    theirs = ((True, entry) for entry in record)
    return heapq.merge(ours, theirs, key=lambda item: item[1].mono)
