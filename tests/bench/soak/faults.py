"""Soak pieces with a fault during a call; afterwards exactly one agent answers, and Letta holds every word."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from livekit import rtc

from tests.bench.soak.house import House, Once, house
from tests.support.caller import Caller
from tests.support.eventually import eventually
from voice_agent.contracts import AgentAttribute, AgentBinding, JobMetadata
from voice_agent.rooms.livekit import LiveKit
from voice_agent.stack.service_runner import STABLE_AFTER

Break = Callable[[House, Caller], Awaitable[float]]
"""Causes the fault and waits for a ready agent; returns the seconds that it took."""


async def alone_and_answering(home: House, caller: Caller) -> None:
    await caller.until(lambda: len(caller.agents) == 1, "exactly one agent")
    await home.answers(caller)


def job_of(caller: Caller) -> int:
    return int(caller.attribute(AgentAttribute.PID))


async def replaced(caller: Caller, before: str, within: float) -> float:
    began = time.monotonic()
    await caller.until(
        lambda: any(a.identity != before and a.attributes.get(AgentAttribute.READY) == "1" for a in caller.agents),
        "another ready agent",
        within,
    )
    return time.monotonic() - began


async def _job_killed(_home: House, caller: Caller) -> float:
    before = caller.agents[0].identity
    os.kill(job_of(caller), signal.SIGKILL)
    return await replaced(caller, before, 30)


async def _worker_killed(home: House, caller: Caller) -> float:
    await asyncio.to_thread(eventually, home.workers_ready, all, within=60)
    before = caller.agents[0].identity
    os.kill(home.worker_of(job_of(caller)), signal.SIGKILL)
    return await replaced(caller, before, 60)


async def _job_frozen(_home: House, caller: Caller) -> float:
    before, job = caller.agents[0].identity, job_of(caller)
    os.kill(job, signal.SIGSTOP)
    try:
        seconds = await replaced(caller, before, 30)
        await asyncio.sleep(max(0.0, 20.0 - seconds))
    finally:
        with contextlib.suppress(ProcessLookupError):  # its worker may have ended it meanwhile
            os.kill(job, signal.SIGCONT)
    new = next(agent.identity for agent in caller.agents if agent.identity != before)
    await caller.until(lambda: [agent.identity for agent in caller.agents] == [new], "the woken one gone", 30)
    return seconds


async def _serve_killed(home: House, caller: Caller) -> float:
    who = caller.agents[0].identity
    os.kill(home.service("serve"), signal.SIGKILL)
    began = time.monotonic()
    await home.answers(caller)  # the call is not affected
    await _server_says(home, "/health", bool, within=60)
    seconds = time.monotonic() - began
    assert [agent.identity for agent in caller.agents] == [who]
    return seconds


async def _serve_and_worker_killed(home: House, caller: Caller) -> float:
    await asyncio.to_thread(eventually, home.workers_ready, all, within=60)
    before = caller.agents[0].identity
    for process in (home.service("serve"), home.worker_of(job_of(caller))):
        os.kill(process, signal.SIGKILL)
    return await replaced(caller, before, 90)


async def _server_says(home: House, path: str, good: Callable[[Any], bool], within: float) -> None:
    async with asyncio.timeout(within):
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if good((await home.api.http.get(path)).json()):
                    return
            await asyncio.sleep(0.1)


async def _livekit_killed(home: House, caller: Caller) -> float:
    os.kill(home.service("livekit"), signal.SIGKILL)
    began = time.monotonic()
    await caller.hang_up()
    async with asyncio.timeout(90):
        while True:
            try:
                back = await home.api.come_back(caller)
                break
            except (AssertionError, rtc.ConnectError, httpx.HTTPError):
                await asyncio.sleep(0.25)
    await back.answered()
    seconds = time.monotonic() - began
    await home.answers(back)
    assert len(back.seen.captions) == 1, "greeted again, though nobody had left"
    await back.leave()
    return seconds


async def _letta_killed(home: House, caller: Caller) -> float:
    who = caller.agents[0].identity
    os.kill(home.service("letta"), signal.SIGKILL)  # it may be storing the answer just heard
    began = time.monotonic()
    await home.answers(caller)  # from memory that is loaded already
    await _server_says(home, "/ready", lambda told: told["checks"]["letta"]["ok"], within=120)
    assert [agent.identity for agent in caller.agents] == [who]
    return time.monotonic() - began


async def _database_locked(home: House, caller: Caller) -> float:
    who = caller.agents[0].identity

    def lock() -> None:
        connection = sqlite3.connect(home.stack.settings.home / "voice.db", isolation_level=None)
        connection.execute("BEGIN EXCLUSIVE")
        time.sleep(5.0)
        connection.execute("ROLLBACK")
        connection.close()

    await asyncio.to_thread(lock)
    assert [agent.identity for agent in caller.agents] == [who], "evicted"
    return 0.0


async def _outsider_dispatches(home: House, caller: Caller) -> float:
    who, room = caller.agents[0].identity, caller.session["room_name"]
    livekit = LiveKit(home.stack.settings)
    try:
        rooms = (await home.api.http.get("/rooms")).raise_for_status().json()["rooms"]
        assert room in {one["name"] for one in rooms}
        binding = AgentBinding(agent_id=home.agent, letta_agent_id=caller.session["agent"]["letta_agent_id"], name="X")
        job = JobMetadata(room_name=room, session_id=caller.session["session_id"], agent=binding)
        for _ in range(20):
            await livekit.dispatch(room, job)
    finally:
        await livekit.close()
    await home.answers(caller)
    assert [agent.identity for agent in caller.agents] == [who], "a second agent"
    return 0.0


@dataclass(frozen=True, slots=True)
class Fault:
    harm: Break
    kills_a_part: bool = False
    """The supervisor gives up a service that crashes too soon repeatedly: STABLE_AFTER passes before the fault."""
    ends_the_visit: bool = False
    """It checks the answers itself."""
    system: Mapping[str, str] = field(default_factory=dict)
    """Settings of the system."""


FAULTS: Final[dict[str, Fault]] = {
    "job killed": Fault(_job_killed),
    "worker killed": Fault(_worker_killed, kills_a_part=True),
    "worker killed beside another": Fault(_worker_killed, kills_a_part=True, system={"VOICE_WORKERS": "2"}),
    "job frozen": Fault(_job_frozen),
    "serve killed": Fault(_serve_killed, kills_a_part=True),
    "serve and worker killed": Fault(_serve_and_worker_killed, kills_a_part=True),
    "livekit killed": Fault(_livekit_killed, kills_a_part=True, ends_the_visit=True),
    "letta killed": Fault(_letta_killed, kills_a_part=True),
    "database locked": Fault(_database_locked),
    "outsider dispatches": Fault(_outsider_dispatches),
}


def fault(what: Fault) -> Callable[[int], AbstractAsyncContextManager[Once]]:
    @asynccontextmanager
    async def opened(_seed: int) -> AsyncIterator[Once]:
        async with house(**what.system) as home:

            async def once(_number: int) -> dict[str, Any]:
                caller = await home.visitor()
                try:
                    await home.answers(caller)
                    if what.kills_a_part:
                        await asyncio.sleep(STABLE_AFTER)
                    seconds = await what.harm(home, caller)
                    if not what.ends_the_visit:
                        await alone_and_answering(home, caller)
                finally:
                    await caller.hang_up()
                    # Ends the session: the agents of thirty empty rooms would use up the machine.
                    with contextlib.suppress(httpx.HTTPError):
                        await caller.ask_the_server("DELETE", "")
                return {"seconds": round(seconds, 2)} if seconds else {}

            yield once

    return opened
