"""Tasks of a process (serve, a worker): an optional one that fails ends nothing else, an essential one says why the
process ends."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType

import pytest

from voice_agent.contracts import LogEvent, Weight
from voice_agent.conversation import worker
from voice_agent.errors import Code, Permanent, VoiceAgentError
from voice_agent.observe.log import ReconnectLog
from voice_agent.observe.process_tasks import RULES, ProcessTasks
from voice_agent.rooms.monitor import Monitor
from voice_agent.web import services

OPTIONAL = [name for name, weight in RULES.items() if weight is Weight.OPTIONAL]
ESSENTIAL = [name for name, weight in RULES.items() if weight is Weight.ESSENTIAL]
WITHIN = 10.0


class Process:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.ended: asyncio.Future[VoiceAgentError] = asyncio.get_running_loop().create_future()
        self.tasks = ProcessTasks(ReconnectLog(path, "test"), self.ended.set_result, first_pause=0.01)
        self.lives = 0
        self.second_life = asyncio.Event()

    async def work(self, how: str) -> None:
        """Fails once, then lasts."""
        self.lives += 1
        if self.lives == 2:
            self.second_life.set()
        elif how == "raise":
            raise ValueError("key sk-123 is wrong")
        elif how == "cancel":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        elif how == "return":
            return
        await asyncio.Event().wait()

    def failures(self) -> list[dict[str, str]]:
        lines = [json.loads(line) for line in self.path.read_text().splitlines()]
        return [line["fields"] for line in lines if line["event"] == LogEvent.TASK_FAILED]


@asynccontextmanager
async def running(tmp_path: Path) -> AsyncIterator[Process]:
    process = Process(tmp_path / "log.jsonl")
    try:
        yield process
    finally:
        await process.tasks.stop()


@pytest.mark.parametrize("how", ["raise", "cancel", "return"])
@pytest.mark.parametrize("name", OPTIONAL)
async def test_an_optional_one_is_started_again(tmp_path: Path, name: str, how: str) -> None:
    async with running(tmp_path) as process:
        process.tasks.start(name, lambda: process.work(how))
        await asyncio.wait_for(process.second_life.wait(), WITHIN)
        assert not process.ended.done()
        (failure,) = process.failures()
        assert (failure["task"], failure["weight"], failure["code"]) == (name, "optional", Code.INTERNAL)
        assert "sk-123" not in failure["message"]


@pytest.mark.parametrize("how", ["raise", "cancel", "return"])
@pytest.mark.parametrize("name", ESSENTIAL)
async def test_an_essential_one_ends_the_process_with_its_name(tmp_path: Path, name: str, how: str) -> None:
    async with running(tmp_path) as process:
        process.tasks.start(name, lambda: process.work(how))
        error = await asyncio.wait_for(process.ended, WITHIN)
        assert error.code is Code.INTERNAL
        assert name in error.message
        assert [failure["weight"] for failure in process.failures()] == ["essential"]


@pytest.mark.parametrize("name", OPTIONAL)
async def test_one_that_hangs_keeps_nothing_from_working_or_ending(tmp_path: Path, name: str) -> None:
    async with running(tmp_path) as process:
        process.tasks.start(name, lambda: process.work("hang"))
        process.tasks.start("room-health-monitor", lambda: process.work("hang"))
        await asyncio.wait_for(process.second_life.wait(), WITHIN)
        assert not process.ended.done()
        await asyncio.wait_for(process.tasks.stop(), WITHIN)


async def test_an_error_of_ours_is_passed_on_as_it_is(tmp_path: Path) -> None:
    async with running(tmp_path) as process:
        refused = Permanent(Code.LIVEKIT_REFUSED, "The key is wrong.", "Correct it.")

        async def fails() -> None:
            raise refused

        process.tasks.start("room-health-monitor", fails)
        assert await asyncio.wait_for(process.ended, WITHIN) is refused


async def test_a_monitor_that_hangs_ends_the_process_with_a_reason(tmp_path: Path) -> None:
    async with running(tmp_path) as process:
        unused = inspect.signature(Monitor).parameters
        monitor = Monitor(*[None for _ in unused])  # type: ignore[arg-type]
        process.tasks.start("monitor-watch", lambda: monitor.watch(patience=0.05))
        error = await asyncio.wait_for(process.ended, WITHIN)
        assert "has not come through its rooms" in error.message


def started(module: ModuleType) -> set[str]:
    calls = [node for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Call)]
    starts = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "start"]
    return {str(call.args[0].value) for call in starts if call.args and isinstance(call.args[0], ast.Constant)}


def test_whatever_a_process_starts_has_a_rule_and_nothing_else_has() -> None:
    assert started(services) | started(worker) == set(RULES)
    for module in (services, worker):
        made = [node for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Attribute)]
        names = {"worker:server", "worker:stop"} if module is worker else set()
        assert sum(node.attr == "create_task" for node in made) == len(names), "a task that no list knows"
