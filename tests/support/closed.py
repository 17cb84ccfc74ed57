"""Files that other users of this machine could read, write or list."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def open_to_others(root: Path) -> list[Path]:
    """Below `root`, which itself may be searchable. The mode of a symbolic link does not matter."""
    found = []
    for folder, folders, files in os.walk(root):
        for path in (Path(folder, name) for name in (*folders, *files)):
            mode = path.lstat().st_mode
            if not stat.S_ISLNK(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
                found.append(path)
    return found
