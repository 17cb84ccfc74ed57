"""Keeping the reconnect log from growing for ever. Only `serve` does this; all others open the file for each line."""

from __future__ import annotations

from pathlib import Path


def parts(path: Path) -> list[Path]:
    """The log and what was rotated away from it, oldest first."""
    rotated = [part for part in path.parent.glob(f"{path.name}.*") if part.suffix[1:].isdigit()]
    return [*sorted(rotated, key=lambda part: -int(part.suffix[1:])), *([path] if path.exists() else [])]


def rotate(path: Path, most_bytes: int = 50_000_000, keep: int = 5) -> bool:
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
