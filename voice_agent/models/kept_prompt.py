"""Kept prompt: what the local LLM has read of the one prompt that never changes, as a file that outlives the process.

That prompt is the instruction of the second look (memory/recall/second_look.py); it holds no word of any person. To
read it takes up to twenty seconds, which a first conversation does not leave, and without it no second look is taken.
"""

from __future__ import annotations

import hashlib
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Final

_MOST: Final = 4
"""Files, of other models or versions: 8 MB each."""


class KeptPrompt:
    def __init__(self, folder: Path, model_hash: str) -> None:
        self._folder = folder
        self._made_by = f"{model_hash} {version('xllamacpp')}"

    def file_of(self, prompt: str) -> Path:
        """Where it is kept, or would be: what one model or version has read is of no use to another."""
        name = hashlib.sha256(f"{self._made_by} {prompt}".encode()).hexdigest()[:32]
        return self._folder / f"{name}.slot"

    def keep(self, prompt: str, saved: Path) -> None:
        file = self.file_of(prompt)
        self._folder.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(f"{file.name}.{saved.parent.name}")  # two model servers may share the folder
        shutil.copyfile(saved, fresh)
        fresh.replace(file)
        by_age = sorted(self._folder.glob("*.slot"), key=lambda one: one.stat().st_mtime, reverse=True)
        for old in by_age[_MOST:]:
            old.unlink(missing_ok=True)
