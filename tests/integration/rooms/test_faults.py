"""Recovery to exactly one ready agent after a kill, a freeze, a lost server, a locked database; real processes."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.control_plane import ControlPlane, control_plane, eventually, visitor
from tests.support.eventually import PATIENCE
from tests.support.letta_directory import running_letta_directory
from tests.support.light_worker import Behaviour, LightWorker
from tests.support.livekit_server import LiveKitServer, running_livekit
from voice_agent.contracts import DEAD_LOOP_AFTER, LEASE_DEAD_AFTER, RECYCLE_LIMIT, LogEvent
from voice_agent.observe.reading import read_file
from voice_agent.rooms.leases import Health
from voice_agent.rooms.workers import WorkerScope
from voice_agent.settings import Settings

REPOSITORY = Path(__file__).parents[3]
AT_ONCE = LEASE_DEAD_AFTER - 5
"""Sooner than the silence of a lease would tell, with room for a busy machine."""


@asynccontextmanager
async def worker_process(settings: Settings) -> AsyncIterator[subprocess.Popen[str]]:
    """A worker that can be killed and frozen as only a process can.

    It has one seat: LiveKit offers a frozen worker with free seats its share of the jobs, and waits 10 s for an answer
    each time. Then only luck and the cooldown's retries bring the job to another.
    """
    told = settings.home / "worker.json"
    told.write_text(json.dumps(settings.model_dump(mode="json", by_alias=True)))
    process = await asyncio.to_thread(
        subprocess.Popen,
        [sys.executable, "-m", "tests.support.light_worker", str(told), "1"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == "registered\n"
        yield process
    finally:
        process.kill()
        await asyncio.to_thread(process.communicate)


def exit_report(process: subprocess.Popen[str]) -> dict[str, Any]:
    return {"process": "worker", "pid": process.pid, "host": socket.gethostname(), "exit_code": -9}


async def another_ready_agent(plane: ControlPlane, room: str, old: str, within: float) -> None:
    async def look() -> bool | None:
        agents = await plane.agents(room)
        return True if len(agents) == 1 and agents[0].ready and agents[0].identity != old else None

    await eventually(look, within, "exactly one other ready agent")


async def test_a_killed_worker_is_replaced_at_once_when_its_death_is_reported(plane: ControlPlane) -> None:
    async with worker_process(plane.settings) as process:
        session = await plane.open_session()
        old = await plane.ready_agent(session["room_name"])
        async with visitor(session), LightWorker(plane.settings):
            await killed_and_reported(plane, process)
            await another_ready_agent(plane, session["room_name"], old.identity, within=AT_ONCE)


async def test_after_the_only_worker_nobody_is_sent_for_until_there_is_another(plane: ControlPlane) -> None:
    async with worker_process(plane.settings) as process:
        session = await plane.open_session()
        old = await plane.ready_agent(session["room_name"])
        async with visitor(session) as room:
            await killed_and_reported(plane, process)

            async def told() -> bool | None:
                problem = json.loads(room.metadata)["problem"]
                return True if problem and problem["code"] == "no_worker" else None

            # Sooner than its silence would tell: who is sent for in vain has to wait longer and longer.
            await eventually(told, LEASE_DEAD_AFTER / 3, "the missing worker on the page")
            async with LightWorker(plane.settings):
                await another_ready_agent(plane, session["room_name"], old.identity, within=AT_ONCE)


async def killed_and_reported(plane: ControlPlane, process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    await asyncio.to_thread(process.wait)
    headers = {"Authorization": f"Bearer {plane.settings.internal_secret}"}
    told = await plane.http.post("/internal/process-exit", json=exit_report(process), headers=headers)
    assert told.status_code == 204


async def test_a_frozen_agent_is_fenced_and_leaves_when_it_wakes(plane: ControlPlane) -> None:
    async with worker_process(plane.settings) as process:
        session = await plane.open_session()
        old = await plane.ready_agent(session["room_name"])
        async with visitor(session), LightWorker(plane.settings) as other:
            process.send_signal(signal.SIGSTOP)
            await another_ready_agent(plane, session["room_name"], old.identity, within=LEASE_DEAD_AFTER + 8)
            process.send_signal(signal.SIGCONT)
            (agent,) = other.agents.values()
            for _ in range(20):
                present = [p.identity for p in await plane.agents(session["room_name"])]
                assert present == [f"agent-{agent.job_id}"], "the old one came back"
                await asyncio.sleep(0.1)


async def test_a_locked_database_evicts_nobody(plane: ControlPlane) -> None:
    async with LightWorker(plane.settings):
        session = await plane.open_session()
        agent = await plane.ready_agent(session["room_name"])
        async with visitor(session):
            await asyncio.to_thread(lock, plane.settings.home / "voice.db", 5.0)
            await asyncio.sleep(1)
            assert [p.identity for p in await plane.agents(session["room_name"])] == [agent.identity]


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
async def test_a_clock_that_jumps_evicts_nobody_and_stops_nothing(plane: ControlPlane, jump: float) -> None:
    async with LightWorker(plane.settings) as worker:
        session = await plane.open_session()
        agent = await plane.ready_agent(session["room_name"])
        async with visitor(session) as room:
            await worker.meets(session["participant_identity"])
            gone = asyncio.Event()
            room.on("participant_disconnected", lambda *_: gone.set())
            plane.clock.moved_by = jump
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(gone.wait(), 12)  # longer than every room is looked at anew
            await plane.livekit.remove_participant(session["room_name"], agent.identity)
            await another_ready_agent(plane, session["room_name"], agent.identity, within=PATIENCE)
            later = await plane.open_session()
            await plane.ready_agent(later["room_name"])


def lock(path: Path, seconds: float) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
        time.sleep(seconds)
        connection.execute("ROLLBACK")
    finally:
        connection.close()


async def test_an_agent_that_is_present_but_dead_is_recycled(plane: ControlPlane) -> None:
    async with LightWorker(plane.settings) as worker:
        session = await plane.open_session()
        old = await plane.ready_agent(session["room_name"])
        worker.behaviour = Behaviour()
        worker.agents[old.identity.removeprefix("agent-")].behaviour = Behaviour(
            health=Health(silent_for=DEAD_LOOP_AFTER + 5)
        )
        async with visitor(session):
            await another_ready_agent(plane, session["room_name"], old.identity, within=PATIENCE)


@pytest.mark.parametrize("lasting", [False, True], ids=["after some attempts", "at once"])
async def test_an_agent_that_always_fails_is_given_up_and_the_page_is_told(plane: ControlPlane, lasting: bool) -> None:
    async with LightWorker(plane.settings) as worker:
        worker.behaviour = Behaviour(fails_with=Health("tts_failed", why="It lost its voice.", lasting=lasting))
        session = await plane.open_session()
        headers = {"Authorization": f"Bearer {session['resume_secret']}"}

        async def told() -> bool | None:
            standing = (await plane.http.get(f"/session/{session['session_id']}", headers=headers)).json()
            # Before the worker has signed on, it may be "no_worker" for a moment.
            return True if standing["problem"] and standing["problem"]["code"] == "agent_fails" else None

        await eventually(told, PATIENCE, "the failing agent on the page")
        async with visitor(session) as room:
            problem = json.loads(room.metadata)["problem"]
            assert (problem["code"], problem["message"]) == ("agent_fails", "The agent fails: It lost its voice.")
        assert worker.taken == (1 if lasting else RECYCLE_LIMIT)


async def test_without_a_worker_the_page_is_told_and_the_notice_goes_when_one_comes(plane: ControlPlane) -> None:
    session = await plane.open_session()
    async with visitor(session) as room:

        async def problem() -> str | None:
            shown = json.loads(room.metadata)["problem"]
            return shown["code"] if shown else None

        async def cleared() -> bool | None:
            return True if await problem() is None else None

        assert await eventually(problem, PATIENCE, "a problem") == "no_worker"
        async with LightWorker(plane.settings):
            await plane.ready_agent(session["room_name"])
            await eventually(cleared, PATIENCE, "the problem gone")


async def test_where_no_worker_serves_a_room_the_page_is_told_and_nobody_is_sent_for(plane: ControlPlane) -> None:
    owners = WorkerScope(roles=frozenset({"owner"}), agent_name=plane.settings.livekit_agent_name)
    elsewhere = WorkerScope(agent_name="another-name")

    async with (
        LightWorker(plane.settings, name="owners", worker_scope=owners),
        LightWorker(plane.settings, name="elsewhere", worker_scope=elsewhere),
    ):
        session = await plane.open_session()
        headers = {"Authorization": f"Bearer {session['resume_secret']}"}

        async def told() -> dict[str, Any] | None:
            shown = (await plane.http.get(f"/session/{session['session_id']}", headers=headers)).json()["problem"]
            return shown if shown and shown["code"] == "no_worker_for_room" else None

        problem = await eventually(told, PATIENCE, "that no worker is there for this room")
        assert "role 'general'" in problem["message"]
        assert "VOICE_WORKER_ROLES" in problem["remedy"]
        async with visitor(session) as room:
            assert json.loads(room.metadata)["problem"] == problem
            lines = [entry.data or {} for entry in read_file(plane.settings.reconnect_log)]
            assert not any(line["event"] == LogEvent.DISPATCH for line in lines)
            assert any(line["event"] == LogEvent.NOTICE and line["fields"]["code"] == problem["code"] for line in lines)
            async with LightWorker(plane.settings, name="everybody"):
                await plane.ready_agent(session["room_name"])


@pytest.fixture
def mortal_server() -> Iterator[LiveKitServer]:
    with running_livekit() as server:
        yield server


async def test_after_the_media_server_died_the_room_and_its_agent_are_back(mortal_server: LiveKitServer) -> None:
    settings = mortal_server.settings
    with running_letta_directory(settings.letta_port) as letta:
        letta.add("agent-1", "Ada")
        async with control_plane(settings) as plane, LightWorker(settings):
            session = await plane.open_session(role="owner", business_id="b1")
            await plane.ready_agent(session["room_name"])
            await asyncio.to_thread(mortal_server.kill)
            await asyncio.to_thread(mortal_server.start)
            # The old agent's own client may come back into the reopened room, or a new agent comes: one of the two.
            await plane.ready_agent(session["room_name"])
            async with visitor(session) as room:
                await plane.ready_agent(session["room_name"])
                assert len(room.remote_participants) == 1
