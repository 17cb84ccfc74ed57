"""Child processes of the front: guarantees that do not depend on the model."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.support.eventually import PATIENCE, eventually
from voice_agent.errors import Code, Temporary
from voice_agent.models.child import STOP_GRACE, Child


@asynccontextmanager
async def supervised(module: str, folder: Path, **order: int) -> AsyncIterator[Child]:
    child = Child("test", f"tests.support.{module}", folder / "socket")
    supervising = asyncio.create_task(child.supervise(order), name="supervise-test")
    try:
        yield child
    finally:
        supervising.cancel()
        with suppress(asyncio.CancelledError):
            await supervising


async def asked(child: Child) -> bytes:
    async with child.ask("/transcribe", Code.STT_FAILED, content=b"") as answer:
        return await answer.aread()


async def test_no_request_goes_over_a_connection_that_the_child_may_be_closing(tmp_path: Path) -> None:
    async with supervised("hasty_child", tmp_path) as child:
        for _ in range(3):
            assert await asked(child) == b"{}"


async def test_a_request_that_meets_a_dying_child_is_answered_by_the_next(tmp_path: Path) -> None:
    async with supervised("mortal_child", tmp_path, deaths=1) as child:
        assert await asked(child) == b"{}"
        assert child.restarts == 1


async def test_a_request_that_kills_its_child_does_so_twice_at_most(tmp_path: Path) -> None:
    async with supervised("mortal_child", tmp_path, deaths=2) as child:
        with pytest.raises(Temporary, match="stopped in the middle"):
            await asked(child)
        assert await asked(child) == b"{}"
        assert child.restarts == 2


async def until(true: Callable[[], bool]) -> None:
    assert await asyncio.to_thread(eventually, true, bool, within=PATIENCE, every=0.02)


def gone(pid: int) -> bool:
    """Ended, whether or not it was waited for."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def stands_still(pid: int | None) -> bool:
    return pid is not None and psutil.Process(pid).status() == psutil.STATUS_STOPPED


async def test_a_child_stands_still_until_nobody_needs_the_cores(tmp_path: Path) -> None:
    async with supervised("hasty_child", tmp_path) as child:
        await child.available()
        with child.standing_still():
            with child.standing_still():
                await until(lambda: stands_still(child.pid))
            asking = asyncio.create_task(asked(child), name="test-asking")
            await asyncio.wait({asking}, timeout=0.2)
            assert stands_still(child.pid)
            assert not asking.done()
        assert await asking == b"{}"


async def test_a_child_does_not_stand_still_for_long(tmp_path: Path) -> None:
    async with supervised("hasty_child", tmp_path) as child:
        await child.available()
        with child.standing_still():
            assert await asked(child) == b"{}"


async def test_a_child_that_stands_still_ends_at_once(tmp_path: Path) -> None:
    async with supervised("hasty_child", tmp_path) as child:
        await child.available()
        pid = child.pid
        assert pid is not None
        hold = child.standing_still()
        hold.__enter__()
        await until(lambda: stands_still(pid))
        began = time.monotonic()
    assert time.monotonic() - began < STOP_GRACE
    hold.__exit__(None, None, None)
    assert not psutil.pid_exists(pid)


async def test_a_child_that_stands_still_ends_with_a_killed_parent(tmp_path: Path) -> None:
    async with killed_parent(tmp_path) as (parent, pid):
        await until(lambda: stands_still(pid))
        parent.kill()
        await parent.wait()
        await until(lambda: gone(pid))


_PARENT = """
import asyncio, sys
from pathlib import Path
from voice_agent.models.child import Child

async def main() -> None:
    child = Child("test", "tests.support.hasty_child", Path(sys.argv[1]) / "socket")
    supervising = asyncio.create_task(child.supervise({}))
    await child.available()
    with child.standing_still():
        print(f"stands still: {child.pid}", flush=True)
        await supervising

asyncio.run(main())
"""


@asynccontextmanager
async def killed_parent(folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """A parent in a session of its own, as the supervisor starts it; and its child."""
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _PARENT, str(folder)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    assert parent.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            line = await parent.stdout.readline()
            while not line.startswith(b"stands still: "):  # the log
                line = await parent.stdout.readline()
            yield parent, int(line.split()[-1])
    finally:
        if parent.returncode is None:
            parent.kill()
            await parent.wait()
