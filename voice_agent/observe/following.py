"""Reader of a log that grows and is rotated meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from voice_agent.observe.reading import parse


def follow(path: Path, wait: Callable[[], bool], *, from_start: bool = True) -> Iterator[dict[str, Any]]:
    """Lines as they are written; `wait` is called when there are none and returns whether to continue."""
    handle: IO[bytes] | None = None
    pending = b""
    try:
        while True:
            if handle is None and path.exists():
                handle = path.open("rb")
                if not from_start:
                    handle.seek(0, 2)
            chunk = handle.readline() if handle else b""
            if chunk:
                pending += chunk
                if pending.endswith(b"\n"):
                    line, pending = parse(pending), b""
                    if line is not None:
                        yield line
                continue
            if handle is not None and _moved(handle, path):
                handle.close()
                handle, from_start = None, True
                continue
            if not wait():
                return
    finally:
        if handle is not None:
            handle.close()


def _moved(handle: IO[bytes], path: Path) -> bool:
    """Whether the file was replaced by another one. Everything in the old one has been read."""
    opened = os.fstat(handle.fileno())
    try:
        current = path.stat()
    except FileNotFoundError:
        return False  # between the rename and the next writer: more may still arrive in the old file
    return (opened.st_dev, opened.st_ino) != (current.st_dev, current.st_ino)
