"""Lifecycle core as one namespace: the real one, or a mutant of it loaded under another name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import voice_agent.lifecycle

MODULES = ("events", "effects", "states", "machine", "table", "timing", "room_health", "liveness", "codec")


def load(package: str = "voice_agent.lifecycle") -> Any:
    return SimpleNamespace(**{name: importlib.import_module(f"{package}.{name}") for name in MODULES})


@contextmanager
def mutant(directory: Path, name: str, module: str, original: str, replacement: str) -> Iterator[Any]:
    """A copy of the core in which `original`, which must occur exactly once in `module`, reads `replacement`."""
    package = directory / name
    package.mkdir()
    for source in Path(voice_agent.lifecycle.__file__).parent.glob("*.py"):
        text = source.read_text()
        if source.stem == module:
            assert text.count(original) == 1, f"{original!r} occurs {text.count(original)} times in {module}.py"
            text = text.replace(original, replacement)
        (package / source.name).write_text(text.replace("voice_agent.lifecycle", name))
    sys.path.insert(0, str(directory))
    importlib.invalidate_caches()
    try:
        yield load(name)
    finally:
        sys.path.remove(str(directory))
        for loaded in [key for key in sys.modules if key == name or key.startswith(f"{name}.")]:
            del sys.modules[loaded]
