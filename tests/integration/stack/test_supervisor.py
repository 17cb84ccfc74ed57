"""Supervisor with small real processes: order, readiness, crashes, shutdown."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support import service as dummy
from tests.support.eventually import PATIENCE
from tests.support.stack import free_ports
from voice_agent.addresses import bind_error
from voice_agent.contracts import PROCESS_EXIT_PATH, ProcessExit
from voice_agent.errors import Code, VoiceAgentError
from voice_agent.observe.rotation import empty
from voice_agent.settings import Settings
from voice_agent.stack import readiness, service_runner, state
from voice_agent.stack import supervisor as supervisor_module
from voice_agent.stack.processes import marked
from voice_agent.stack.services import Port, Service, table
from voice_agent.stack.state import Phase, RunState, ServiceState
from voice_agent.stack.supervisor import Supervisor


@pytest.fixture
def ports() -> list[int]:
    """Free when the test begins."""
    return free_ports(4)


def service(name: str, port: int, *options: str, **more: Any) -> Service:
    return Service(
        name=name,
        version="1",
        command=(sys.executable, dummy.__file__, str(port), *options),
        environment=lambda: dict(os.environ),
        ports=(Port(port, f"PORT_OF_{name}"),),
        probe=partial(readiness.http, f"http://127.0.0.1:{port}/"),
        **more,
    )


class Stage:
    """A supervisor that runs, and what it wrote down."""

    def __init__(self, home: Path, supervisor: Supervisor, said: list[str], stop: asyncio.Event) -> None:
        self.home = home
        self.supervisor = supervisor
        self.said = said
        self.stop = stop

    @property
    def written(self) -> RunState:
        found = state.load(self.home)
        assert found
        return found

    def service(self, name: str) -> ServiceState:
        return next(service for service in self.written.services if service.name == name)

    def pid(self, name: str) -> int:
        process = self.service(name).process
        assert process
        return process.pid

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - what it waits for happens in other processes
                await asyncio.sleep(0.02)


def supervise(home: Path, services: tuple[Service, ...], said: list[str], **settings: Any) -> Supervisor:
    (home / "run").mkdir()

    async def after_start() -> None:
        said.append("started")

    return Supervisor(Settings(home=home, **settings), services, said.append, after_start, back_off=(0.05, 0.05, 0.05))


@asynccontextmanager
async def on_stage(home: Path, *services: Service, **settings: Any) -> AsyncIterator[Stage]:
    said: list[str] = []
    stop = asyncio.Event()
    supervisor = supervise(home, services, said, **settings)
    running = asyncio.create_task(supervisor.run(stop), name="supervisor")
    stage = Stage(home, supervisor, said, stop)
    try:
        await stage.until(lambda: state.load(home) is not None)
        yield stage
    finally:
        stop.set()
        await running


async def failed_start(home: Path, *services: Service) -> VoiceAgentError:
    with pytest.raises(VoiceAgentError) as failed:
        await supervise(home, services, []).run(asyncio.Event())
    assert failed.value.code is Code.NOT_READY
    assert state.load(home) is None
    assert all(bind_error("127.0.0.1", port.number) is None for service in services for port in service.ports)
    return failed.value


async def up(stage: Stage) -> None:
    async with asyncio.timeout(PATIENCE):
        await stage.supervisor.up.wait()


async def test_a_service_starts_only_when_what_it_needs_is_ready(tmp_path: Path, ports: list[int]) -> None:
    first = service("first", ports[0], "--delay", "0.5")
    second = service("second", ports[1], needs=("first",))
    async with on_stage(tmp_path, first, second) as stage:
        await stage.until(lambda: stage.service("first").process is not None)
        assert stage.service("second").phase is Phase.WAITING
        await up(stage)
        started = [psutil.Process(stage.pid(name)).create_time() for name in ("first", "second")]
        assert started[1] - started[0] > 0.5
        assert [line.split()[0] for line in stage.said] == ["first", "second", "started"]
        assert (stage.service("first").ready_after_s or 0) >= 0.5
    assert state.load(tmp_path) is None


async def test_stops_in_reverse_order_and_kills_what_does_not_listen(tmp_path: Path, ports: list[int]) -> None:
    first = service("first", ports[0])
    second = service("second", ports[1], "--stubborn", needs=("first",), stop_within=0.3)
    async with on_stage(tmp_path, first, second) as stage:
        await up(stage)
        run = stage.written.run
        processes = [psutil.Process(stage.pid(name)) for name in ("first", "second")]
        stage.stop.set()
        await stage.until(lambda: not processes[1].is_running() or processes[1].status() == psutil.STATUS_ZOMBIE)
        assert processes[0].is_running()
        await stage.until(lambda: state.load(tmp_path) is None)
        assert marked(run) == []


async def test_never_ready_names_the_service_and_its_last_words_and_leaves_nothing(
    tmp_path: Path, ports: list[int]
) -> None:
    late = service("late", ports[1], "--delay", "60", ready_within=3.0)
    error = await failed_start(tmp_path, service("good", ports[0]), late)
    assert "late did not get ready: not ready within" in error.message
    assert "service starts" in error.message
    assert "late.log" in error.remedy


async def test_one_that_ends_at_its_first_start_fails_the_start(tmp_path: Path, ports: list[int]) -> None:
    (tmp_path / "no").touch()
    error = await failed_start(tmp_path, service("sick", ports[0], "--fail-once-there-is", str(tmp_path / "no")))
    assert "exit code 3" in error.message
    assert "service refuses" in error.message


async def test_a_program_that_is_not_there_fails_the_start(tmp_path: Path, ports: list[int]) -> None:
    error = await failed_start(tmp_path, replace(service("gone", ports[0]), command=("/does/not/exist",)))
    assert "it cannot be started" in error.message


async def test_a_killed_service_comes_back_with_everything_it_had_started_gone(
    tmp_path: Path, ports: list[int]
) -> None:
    child = tmp_path / "child"
    async with on_stage(
        tmp_path, service("some", ports[0], "--child", str(child)), service("other", ports[1])
    ) as stage:
        await up(stage)
        old, other, grandchild = stage.pid("some"), stage.pid("other"), psutil.Process(int(child.read_text()))
        os.kill(old, signal.SIGKILL)
        await stage.until(lambda: stage.service("some").restarts == 1 and stage.service("some").phase is Phase.READY)
        assert stage.pid("some") != old
        assert stage.pid("other") == other
        assert not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE
        assert any("killed by SIGKILL" in line for line in stage.said)


@pytest.fixture
def standby_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_runner, "STANDBY_AFTER", 0.0)


@pytest.mark.usefixtures("standby_at_once")
async def test_a_standby_takes_the_place_of_one_that_died_and_gets_a_standby_itself(
    tmp_path: Path, ports: list[int]
) -> None:
    some = service("some", ports[0])
    some = replace(some, standby=(*some.command, "--standby"))

    def is_ready_as(stage: Stage, pid: int) -> bool:
        some = stage.service("some")
        return some.phase is Phase.READY and some.process is not None and some.process.pid == pid

    def waiting(stage: Stage) -> list[int]:
        return [one.pid for one in marked(stage.written.run, "some") if "--standby" in one.cmdline()]

    async with on_stage(tmp_path, some) as stage:
        await up(stage)
        run = stage.written.run
        for _ in range(2):
            await stage.until(lambda: set(waiting(stage)) - {stage.pid("some")} != set())
            (standby,) = set(waiting(stage)) - {stage.pid("some")}
            os.kill(stage.pid("some"), signal.SIGKILL)
            await stage.until(partial(is_ready_as, stage, standby))
    assert marked(run) == [], "a standby does not outlive its run"


@pytest.mark.usefixtures("standby_at_once")
async def test_a_standby_that_died_is_not_waited_for(tmp_path: Path, ports: list[int]) -> None:
    some = service("some", ports[0])
    some = replace(some, standby=("/bin/false",))
    async with on_stage(tmp_path, some) as stage:
        await up(stage)
        old = stage.pid("some")
        os.kill(old, signal.SIGKILL)
        await stage.until(lambda: stage.service("some").restarts == 1 and stage.service("some").phase is Phase.READY)
        assert stage.pid("some") != old


async def test_one_that_crashes_again_and_again_is_given_up_and_the_rest_stays(
    tmp_path: Path, ports: list[int]
) -> None:
    poison = tmp_path / "poison"
    sick, fine = service("sick", ports[0], "--fail-once-there-is", str(poison)), service("fine", ports[1])
    async with on_stage(tmp_path, sick, fine) as stage:
        await up(stage)
        poison.touch()
        os.kill(stage.pid("sick"), signal.SIGKILL)
        await stage.until(lambda: stage.service("sick").phase is Phase.GIVEN_UP)
        assert stage.service("sick").process is None
        assert "given up after 4 failures" in stage.service("sick").detail
        assert stage.service("fine").phase is Phase.READY


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
async def test_the_death_of_a_lease_holder_is_told_to_serve(tmp_path: Path, host: str, ports: list[int]) -> None:
    received = tmp_path / "received"
    serve = service("serve", ports[0], "--received", str(received), "--host", host)
    serve = replace(serve, probe=partial(readiness.http, f"http://{host}:{ports[0]}/"))
    worker = service("worker", ports[1], holds_leases=True)
    async with on_stage(tmp_path, serve, worker, host=host, port=ports[0], internal_secret="knows") as stage:
        await up(stage)
        pid = stage.pid("worker")
        os.kill(pid, signal.SIGKILL)
        await stage.until(received.exists)
        await stage.until(lambda: received.read_text().endswith("\n"))
    path, scheme, secret, body = received.read_text().split(maxsplit=3)
    assert (path, scheme, secret) == (PROCESS_EXIT_PATH, "Bearer", "knows")
    told = ProcessExit.model_validate(json.loads(body))
    assert (told.process, told.pid, told.exit_code) == ("worker", pid, -9)


async def test_two_that_die_together_start_side_by_side_and_the_death_is_told_when_serve_is_back(
    tmp_path: Path, ports: list[int]
) -> None:
    received = tmp_path / "received"
    serve = service("serve", ports[0], "--received", str(received), "--delay", "2")
    worker = service("worker", ports[1], holds_leases=True, needs=worker_of_the_table().needs)
    async with on_stage(
        tmp_path, service("livekit", ports[2]), serve, worker, port=ports[0], internal_secret="knows"
    ) as stage:
        await up(stage)
        pid = stage.pid("worker")
        for name in ("serve", "worker"):
            os.kill(stage.pid(name), signal.SIGKILL)
        await stage.until(
            lambda: stage.service("worker").restarts == 1 and stage.service("worker").phase is Phase.READY
        )
        assert stage.service("serve").phase is not Phase.READY, "the worker waited for serve"
        await stage.until(lambda: received.exists() and received.read_text().endswith("\n"))
    assert ProcessExit.model_validate(json.loads(received.read_text().split(maxsplit=3)[3])).pid == pid


def worker_of_the_table() -> Service:
    return next(
        service for service in table(Settings(livekit_api_key="k", livekit_api_secret="s")) if service.name == "worker"
    )


async def test_what_a_service_prints_is_bounded_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ports: list[int]
) -> None:
    monkeypatch.setattr(supervisor_module, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(supervisor_module, "empty", partial(empty, most_bytes=10))
    async with on_stage(tmp_path, service("some", ports[0])) as stage:
        await up(stage)
        pid = stage.pid("some")
        await stage.until((tmp_path / "logs" / "some.log.1").exists)
        await stage.until(lambda: (tmp_path / "logs" / "some.log").stat().st_size == 0)
        assert "service starts" in (tmp_path / "logs" / "some.log.1").read_text()
        assert stage.pid("some") == pid


async def test_secrets_are_not_written_down(tmp_path: Path, ports: list[int]) -> None:
    async with on_stage(tmp_path, service("some", ports[0]), internal_secret="hidden", letta_api_key="hidden") as stage:
        await up(stage)
        text = (tmp_path / "run" / "state.json").read_text()
        assert "hidden" not in text
        assert state.as_running(Settings(letta_api_key="known"), stage.written).letta_api_key == "known"
