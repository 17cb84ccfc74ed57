"""Environment of a peer: its own packages from the package index, by a file with every version; made once."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def python_of(script: str, cache: Path) -> Path:
    """The interpreter that runs `script`.py of this folder; `script`.txt has its packages."""
    wanted = HERE / f"{script}.txt"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    mark = hashlib.sha256(wanted.read_bytes() + version.encode()).hexdigest()[:12]
    folder = cache / "peers" / f"{script}-{mark}"
    python, complete = folder / "bin" / "python", folder / ".complete"
    if not complete.exists():
        shutil.rmtree(folder, ignore_errors=True)
        print(f"installs {wanted.name} into {folder}", file=sys.stderr, flush=True)
        _uv("venv", "--quiet", "--python", sys.executable, str(folder))
        _uv("pip", "install", "--quiet", "--python", str(python), "--requirement", str(wanted))
        complete.touch()
    return python


def _uv(*arguments: str) -> None:
    subprocess.run(["uv", *arguments], check=True, env=os.environ | {"UV_COMPILE_BYTECODE": "1"})
