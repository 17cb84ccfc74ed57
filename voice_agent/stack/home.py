"""Permissions of VOICE_HOME: it and everything in it are accessible to their owner only.

The one exception: as root, Postgres runs as another user, who must be able to pass through VOICE_HOME to a folder of
its own. That mode (0711) does not allow listing, and everything else in VOICE_HOME is closed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from voice_agent.settings import STACK_FILE, Settings
from voice_agent.stack.subprocess_utils import Account

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_OURS: Final = (STACK_FILE, "livekit.yaml", "drainer.lock", "voice.db*", "logs", "run", "letta", "postgres")
"""Our files. The user may have chosen a folder that holds other files, too."""


def make(settings: Settings) -> None:
    """Creates VOICE_HOME and its missing parents with their modes."""
    home = settings.home
    passed_through = os.geteuid() == 0 and not settings.letta_base_url
    for parent in reversed([parent for parent in home.parents if not parent.exists()]):
        parent.mkdir(exist_ok=True)
        parent.chmod(0o711 if passed_through else 0o700)
    home.mkdir(mode=0o700, exist_ok=True)
    if not home.stat().st_mode & stat.S_ISVTX:  # a shared folder such as /tmp is not ours to close
        home.chmod(0o711 if passed_through else 0o700)


def tighten(settings: Settings) -> None:
    """Closes files that an earlier version left open to others."""
    for pattern in _OURS:
        for path in settings.home.glob(pattern):
            close(path)


def close(root: Path, owner: Account | None = None) -> None:
    """Makes a file, or a folder and all below it, accessible to its owner only, and gives it to `owner` if given."""
    for path in _tree(root):
        with suppress(FileNotFoundError):  # a rotated log, or a file of a database that was just closed
            info = path.lstat()
            if owner and info.st_uid != owner.uid:
                os.lchown(path, owner.uid, owner.gid)
            if not stat.S_ISLNK(info.st_mode) and info.st_mode & _OTHERS:
                path.chmod(stat.S_IMODE(info.st_mode) & ~_OTHERS)


def _tree(root: Path) -> Iterator[Path]:
    yield root
    if root.is_symlink():
        return
    for folder, folders, files in os.walk(root):
        yield from (Path(folder, name) for name in (*folders, *files))
