"""Every test: nothing is left behind. Once per run: the whole real system, for the tests that ask for it."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import HealthCheck, settings
from livekit.rtc._ffi_client import FfiClient

from tests.support.leaks import Holdings, leaked_tasks
from tests.support.stack import Stack, running_stack
from voice_agent.storage import database

_SHOWN = 6_000
"""Characters of the end of a failure."""
DURABLE = database.SYNCHRONOUS
# Tests kill processes, but none of them cuts the power: to wait for the disk proves nothing, and takes minutes.
database.SYNCHRONOUS = "OFF"
# How long an example takes says nothing on a machine that other things keep busy.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_collection_finish() -> None:
    """What was imported stays until the end: the garbage collector need not look through it again and again."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Why a test was run again: otherwise its first failure would be shown nowhere."""
    for report in terminalreporter.getreports("rerun"):
        terminalreporter.section(f"first failure of {report.nodeid}")
        terminalreporter.write_line(report.longreprtext[-_SHOWN:])


def pytest_itemcollected(item: pytest.Item) -> None:
    if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function):
        item.fixturenames.append("no_task_left_behind")


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Threads, processes, sockets and files of the test process."""
    for shared in {"stack", "media_engine"} & set(request.fixturenames):
        request.getfixturevalue(shared)  # belongs to the whole run, not to the test that happens to be first
    before = Holdings.now()
    yield
    assert not (left := before.leaked()), f"left behind: {', '.join(left)}"


@pytest.fixture
async def no_task_left_behind() -> AsyncIterator[None]:
    before = frozenset(asyncio.all_tasks())
    yield
    await asyncio.sleep(0)  # lets tasks that were just cancelled or finished leave
    left = [task for task in leaked_tasks(before) if task != f"task {_own_name()}"]
    assert not left, f"left behind: {', '.join(left)}"


def _own_name() -> str:
    task = asyncio.current_task()
    return task.get_name() if task else ""


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The whole real system: LiveKit, Letta, models, serve, worker; the language model is scripted."""
    with running_stack() as running:
        yield running


@pytest.fixture(scope="session")
def media_engine() -> object:
    """The native engine keeps a few sockets for as long as the process lives: they belong to the run, not to a test."""
    return FfiClient.instance
