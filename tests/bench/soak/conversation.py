"""Real conversations on the whole real system: again and again, and while something breaks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx
import numpy as np
import psutil
from livekit import rtc
from numpy.typing import NDArray

from tests.support.aside import aside
from tests.support.caller import Caller, FrontDoor, front_door
from tests.support.crowd import WORDS, crowd, heard_words
from tests.support.eventually import eventually
from tests.support.letta_agents import make_agent
from tests.support.scripted_llm import Rule
from tests.support.speech import samples_of, say
from tests.support.stack import Stack, running_stack
from voice_agent.contracts import AgentAttribute, AgentBinding, JobMetadata
from voice_agent.rooms.livekit import LiveKit

Once = Callable[[int], Awaitable[dict[str, Any]]]
QUESTION: Final = "What is the name of my sailing boat?"
FACT: Final = "The person's sailing boat is called Marigold."
BOAT: Final = Rule(user="boat", system=r"boat is called (\w+)", reply=r"It is called \1.")
VOICE_EVERY: Final = 5
WARM_AFTER: Final = 10
MOST_GROWTH_MB: Final = 5.0


@dataclass
class House:
    stack: Stack
    door: FrontDoor
    agent: str

    async def visitor(self) -> Caller:
        caller = await self.door.come_in(agent_id=self.agent)
        await caller.greeting()
        return caller

    def part(self, name: str) -> int:
        parts = json.loads(self.stack.command("status", "--json").stdout)["parts"]
        return next(int(part["pid"]) for part in parts if part["name"] == name)


@asynccontextmanager
async def house(**settings: str) -> AsyncIterator[House]:
    async with aside(running_stack(**settings)) as stack:
        stack.llm.script(BOAT)
        letta_agent = await asyncio.to_thread(make_agent, stack, "Soak", FACT)
        async with front_door(stack) as door:
            saved = {"name": "Soak", "letta_agent_id": letta_agent, "config": {"greeting": "Hi."}}
            agent = (await door.http.post("/agents", json=saved)).raise_for_status().json()["id"]
            yield House(stack, door, agent)
        replayed = await asyncio.to_thread(stack.command, "replay", str(stack.settings.reconnect_log))
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr


def job_of(caller: Caller) -> int:
    return int(caller.attribute(AgentAttribute.PID))


async def answered(caller: Caller) -> None:
    assert "Marigold" in await caller.ask(QUESTION), caller.seen


# --- the same room for ever ---


@asynccontextmanager
async def cycles(_seed: int) -> AsyncIterator[Once]:
    async with house() as home:
        caller = await home.visitor()
        question = samples_of(await asyncio.to_thread(say, QUESTION, home.stack.settings.models_url))
        who, job = caller.agents[0].identity, psutil.Process(job_of(caller))
        warm: list[float] = []

        async def once(number: int) -> dict[str, Any]:
            nonlocal caller
            spoken = number % VOICE_EVERY == 0
            await (aloud(home, caller, question) if spoken else answered(caller))
            await caller.leave()
            began = time.monotonic()
            caller = await home.door.come_back(caller)
            await caller.greeting()
            seconds = time.monotonic() - began
            assert [agent.identity for agent in caller.agents] == [who], "another agent"
            assert len(caller.agents[0].track_publications) == 1, "a track too many"
            warm.append(round(job.memory_info().rss / 2**20, 1))
            grown = warm[-1] - warm[WARM_AFTER] if len(warm) > WARM_AFTER else 0.0
            assert grown <= MOST_GROWTH_MB, f"{grown:.1f} MB more than after ten cycles"
            return {
                "seconds": round(seconds, 2),
                "grown_mb": round(grown, 1),
                "threads": job.num_threads(),
                "files": job.num_fds(),
                "spoken": spoken,
            }

        yield once


async def aloud(home: House, caller: Caller, question: NDArray[np.float32]) -> None:
    """Ask by voice, and hear the answer with our own recogniser."""
    async with caller.ears() as heard:
        already = len(caller.seen.captions)
        await caller.say(question)
        await caller.until(lambda: len(caller.seen.captions) > already, "an answer to a spoken question")
        said = await heard_words(home.stack, heard, "marigold")
    assert "marigold" in said, f"heard {said}, captions {caller.seen.captions}"


@asynccontextmanager
async def rejoins(seed: int) -> AsyncIterator[Once]:
    async with house() as home:
        caller = await home.visitor()
        draw = random.Random(seed)

        async def once(_number: int) -> dict[str, Any]:
            nonlocal caller
            await caller.hang_up()
            await asyncio.sleep(draw.uniform(0.0, 0.4))  # a moment of the reset, at random
            began = time.monotonic()
            caller = await home.door.come_back(caller)
            await caller.greeting()
            seconds = time.monotonic() - began
            await answered(caller)
            assert len(caller.seen.captions) == 2, f"greeted twice: {caller.seen}"
            return {"seconds": round(seconds, 2)}

        yield once


@asynccontextmanager
async def crowds(_seed: int) -> AsyncIterator[Once]:
    async with house(VOICE_WORKER_CAPACITY=str(len(WORDS))) as home:

        async def once(_number: int) -> dict[str, Any]:
            began = time.monotonic()
            await crowd(home.stack, home.door, home.agent, WORDS)
            return {"seconds": round(time.monotonic() - began, 1)}

        yield once


# --- something breaks in mid-call ---

Break = Callable[[House, Caller], Awaitable[float]]
"""Does the harm and waits until somebody ready is there; returns how long that took."""


async def alone_and_answering(caller: Caller) -> None:
    await caller.until(lambda: len(caller.agents) == 1, "exactly one agent")
    await answered(caller)


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
    before = caller.agents[0].identity
    os.kill(await asyncio.to_thread(home.part, "worker"), signal.SIGKILL)
    return await replaced(caller, before, 60)


async def _worker_killed_beside_another(home: House, caller: Caller) -> float:
    async with another_worker(home):
        seconds = await _worker_killed(home, caller)
        await alone_and_answering(caller)
        await caller.leave()  # before its worker goes
    return seconds


@asynccontextmanager
async def another_worker(home: House) -> AsyncIterator[None]:
    def signed_on() -> int:
        with contextlib.closing(sqlite3.connect(home.stack.settings.home / "voice.db")) as connection:
            return int(connection.execute("SELECT count(*) FROM workers").fetchone()[0])

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "voice_agent.cli", "worker"),
        env=home.stack.environment | {"VOICE_WORKER_PORT": "0"},
        cwd=home.stack.home,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await asyncio.to_thread(eventually, signed_on, (2).__eq__, within=60)
        yield
        await asyncio.to_thread(eventually, signed_on, (2).__eq__, within=60)  # the first is back
    finally:
        process.terminate()
        await process.wait()


async def _job_frozen(_home: House, caller: Caller) -> float:
    before, job = caller.agents[0].identity, job_of(caller)
    os.kill(job, signal.SIGSTOP)
    try:
        seconds = await replaced(caller, before, 30)
        await asyncio.sleep(max(0.0, 20.0 - seconds))
    finally:
        os.kill(job, signal.SIGCONT)
    new = next(agent.identity for agent in caller.agents if agent.identity != before)
    await caller.until(lambda: [agent.identity for agent in caller.agents] == [new], "the woken one gone", 30)
    return seconds


async def _serve_killed(home: House, caller: Caller) -> float:
    who = caller.agents[0].identity
    os.kill(await asyncio.to_thread(home.part, "serve"), signal.SIGKILL)
    began = time.monotonic()
    await answered(caller)  # the call does not even notice
    await _http_again(home)
    assert [agent.identity for agent in caller.agents] == [who]
    return time.monotonic() - began


async def _http_again(home: House) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                (await home.door.http.get("/health")).raise_for_status()
                return
            except httpx.HTTPError:
                await asyncio.sleep(0.1)


async def _livekit_killed(home: House, caller: Caller) -> float:
    os.kill(await asyncio.to_thread(home.part, "livekit"), signal.SIGKILL)
    began = time.monotonic()
    await caller.hang_up()
    async with asyncio.timeout(90):
        while True:
            try:
                back = await home.door.come_back(caller)
                break
            except (AssertionError, rtc.ConnectError, httpx.HTTPError):
                await asyncio.sleep(0.25)
    await back.answered()
    seconds = time.monotonic() - began
    await back.greeting()
    await answered(back)
    await back.leave()
    return seconds


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
        rooms = (await home.door.http.get("/rooms")).raise_for_status().json()["rooms"]
        assert room in {one["name"] for one in rooms}
        binding = AgentBinding(agent_id=home.agent, letta_agent_id=caller.session["agent"]["letta_agent_id"], name="X")
        job = JobMetadata(room_name=room, session_id=caller.session["session_id"], agent=binding)
        for _ in range(20):
            await livekit.dispatch(room, job)
    finally:
        await livekit.close()
    await answered(caller)
    assert [agent.identity for agent in caller.agents] == [who], "a second agent"
    return 0.0


_LOOK_FOR_THEMSELVES: Final = (_livekit_killed, _worker_killed_beside_another)
FAULTS: Final[dict[str, Break]] = {
    "job killed": _job_killed,
    "worker killed": _worker_killed,
    "worker killed beside another": _worker_killed_beside_another,
    "job frozen": _job_frozen,
    "serve killed": _serve_killed,
    "livekit killed": _livekit_killed,
    "database locked": _database_locked,
    "outsider dispatches": _outsider_dispatches,
}


def fault(harm: Break) -> Callable[[int], AbstractAsyncContextManager[Once]]:
    @asynccontextmanager
    async def opened(_seed: int) -> AsyncIterator[Once]:
        async with house() as home:

            async def once(_number: int) -> dict[str, Any]:
                caller = await home.visitor()
                try:
                    await answered(caller)
                    seconds = await harm(home, caller)
                    if harm not in _LOOK_FOR_THEMSELVES:
                        await alone_and_answering(caller)
                finally:
                    await caller.hang_up()
                return {"seconds": round(seconds, 2)} if seconds else {}

            yield once

    return opened
