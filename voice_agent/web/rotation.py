"""Keeps the reconnect log from filling the disk. Writers open the file for each line, so renaming it is safe."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 64 * 1024 * 1024
KEPT: Final = 4
_LOOK_EVERY: Final = 30.0


async def keep_small(path: Path) -> None:
    """Until cancelled."""
    while True:
        await asyncio.to_thread(rotate, path, MAX_BYTES)
        await asyncio.sleep(_LOOK_EVERY)


def rotate(path: Path, max_bytes: int) -> bool:
    """`reconnect.jsonl` becomes `.1`, `.1` becomes `.2`, …; the oldest goes."""
    if not path.is_file() or path.stat().st_size <= max_bytes:
        return False
    for number in range(KEPT, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        newer = path if number == 1 else path.with_name(f"{path.name}.{number - 1}")
        if newer.exists():
            newer.replace(older)
    return True
