"""Keeps logs from filling the disk: the reconnect log, and what programs print.

The reconnect log is renamed: its writers open the file for each line. A program keeps the file open that it prints to,
so that one is copied and emptied; it was opened to append, and goes on at its new beginning.
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
"""Of each program, and as much once more in its `.1`."""
_LOOK_EVERY: Final = 30.0


async def keep_small(path: Path) -> None:
    """The reconnect log, until cancelled. Only `serve` does this."""
    while True:
        await asyncio.to_thread(rotate, path)
        await asyncio.sleep(_LOOK_EVERY)


def parts(path: Path) -> list[Path]:
    """The log and what was rotated away from it, oldest first."""
    rotated = [part for part in path.parent.glob(f"{path.name}.*") if part.suffix[1:].isdigit()]
    return [*sorted(rotated, key=lambda part: -int(part.suffix[1:])), *([path] if path.exists() else [])]


def rotate(path: Path, most_bytes: int = MOST_BYTES, keep: int = KEPT) -> bool:
    """Rename when too large: `log` → `log.1` → … and drop what is older. True when it did.

    A writer that opened the file just before finishes its line in the renamed file: nothing is lost.
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
    """Copy what a program printed to `.1` and empty the file when it is too large. True when it did.

    What is printed between the two is lost. Where no copy can be made (a full disk) it is emptied all the same.
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
