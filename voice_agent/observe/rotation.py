"""Rotation of the reconnect log and of what programs print, so that they do not fill the disk.

The reconnect log is renamed, because its writers open the file for each line. A program keeps its output file open, so
that one is copied and truncated; it is opened for appending, so the output continues at the new start.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

MOST_BYTES: Final = 64 * 1024 * 1024
KEPT: Final = 4
PRINTED: Final = 20_000_000
"""Bytes of output of each program, and as many again in its `.1`."""
_LOOK_EVERY: Final = 30.0


async def keep_small(path: Path) -> None:
    """Rotate the reconnect log until cancelled. Only `serve` does this."""
    while True:
        await asyncio.to_thread(rotate, path)
        await asyncio.sleep(_LOOK_EVERY)


def parts(path: Path) -> list[Path]:
    """The log and its rotated files, oldest first."""
    rotated = [part for part in path.parent.glob(f"{path.name}.*") if part.suffix[1:].isdigit()]
    return [*sorted(rotated, key=lambda part: -int(part.suffix[1:])), *([path] if path.exists() else [])]


def rotate(path: Path, most_bytes: int = MOST_BYTES, keep: int = KEPT) -> bool:
    """Rename the log when too large: `log` → `log.1` → …, and delete what is older. True: it was rotated.

    A writer that opened the file just before finishes its line in the renamed file: no line is lost.
    """
    if not path.exists() or path.stat().st_size < most_bytes:
        return False
    for part in parts(path):
        number = int(part.suffix[1:]) if part != path else 0
        target = path.with_name(f"{path.name}.{number + 1}")
        if number + 1 > keep:
            part.unlink()
        else:
            part.replace(target)
    return True


def empty(path: Path, most_bytes: int = PRINTED) -> bool:
    """Copy what a program printed to `.1` and truncate the file when it is too large. True: it was truncated.

    What is printed between the two is lost. If no copy can be made (a full disk), it is truncated all the same.
    """
    if not path.exists() or path.stat().st_size < most_bytes:
        return False
    older = path.with_name(f"{path.name}.1")
    try:
        older.unlink(missing_ok=True)
        older.touch(mode=0o600)
        shutil.copyfile(path, older)
    except OSError:
        with suppress(OSError):
            older.unlink(missing_ok=True)
    os.truncate(path, 0)
    return True
