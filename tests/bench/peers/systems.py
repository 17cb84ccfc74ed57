"""The systems that are measured, each as its users meet it: a way in, a way back, and an end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Final, Protocol

import httpx
from livekit import api
from livekit.protocol.agent_dispatch import RoomAgentDispatch

from tests.bench.peers.environments import HERE, python_of
from tests.bench.peers.guest import Ticket
from tests.support.stack import Stack
from voice_agent import clock
from voice_agent.contracts import AgentBinding
from voice_agent.conversation.greeting import greeting_text
from voice_agent.memory.model import Block, Snapshot
from voice_agent.memory.prompt import build_prompt
from voice_agent.providers import endpoints
from voice_agent.settings import Settings
from voice_agent.stack.samples import SAMPLES

WHO: Final = "Juniper"
OURS: Final = "voice-agent"
LIVEKIT: Final = "livekit-agents 1.8.9"
PIPECAT: Final = "Pipecat 1.14.0"
SYSTEMS: Final = (OURS, LIVEKIT, PIPECAT)
STARTED_WITHIN: Final = 120.0
STOPPED_WITHIN: Final = 15.0


class System(Protocol):
    """One person comes, leaves, comes back and leaves for good; the calls come in this order."""

    async def expect(self) -> None:
        """Before the person wants in: what this system usually has ready by then."""

    async def enter(self) -> Ticket:
        """The person wants in: time runs."""

    async def left(self) -> None: ...

    async def come_back(self) -> Ticket:
        """The person wants in again: time runs."""

    async def over(self) -> None: ...


class Ours:
    """Over the HTTP API, as the page does."""

    def __init__(self, http: httpx.AsyncClient, agent: str) -> None:
        self._http = http
        self._agent = agent
        self._session: dict[str, Any] = {}

    async def expect(self) -> None:
        self._session = {}

    async def enter(self) -> Ticket:
        return await self._in({"agent_id": self._agent})

    async def come_back(self) -> Ticket:
        return await self._in({key: self._session[key] for key in ("session_id", "resume_secret")})

    async def left(self) -> None:
        await self._about("POST", "/leave")

    async def over(self) -> None:
        await self._about("POST", "/leave")
        await self._about("DELETE", "")

    async def _in(self, body: dict[str, Any]) -> Ticket:
        answer = (await self._http.post("/session", json=body)).raise_for_status()
        self._session = answer.json()
        return Ticket(self._session["server_url"], self._session["participant_token"])

    async def _about(self, method: str, path: str) -> None:
        headers = {"Authorization": f"Bearer {self._session['resume_secret']}"}
        url = f"/session/{self._session['session_id']}{path}"
        (await self._http.request(method, url, headers=headers)).raise_for_status()


class Rooms:
    """Rooms of one peer, which are not ours: this livekit-server makes none by itself."""

    def __init__(self, settings: Settings, server: api.LiveKitAPI, name: str) -> None:
        self._settings = settings
        self._server = server
        self._names = (f"{name}-{os.getpid()}-{number}" for number in count(1))
        self.room = ""

    @classmethod
    @asynccontextmanager
    async def of(cls, settings: Settings, name: str) -> AsyncIterator[Rooms]:
        url, key, secret = settings.effective_livekit_url, settings.livekit_api_key, settings.livekit_api_secret
        async with api.LiveKitAPI(url, key, secret) as server:
            yield cls(settings, server, name)

    async def new(self, *agents: str) -> None:
        self.room = next(self._names)
        dispatches = [RoomAgentDispatch(agent_name=agent) for agent in agents]
        await self._server.room.create_room(api.CreateRoomRequest(name=self.room, agents=dispatches))

    def token(self, identity: str) -> str:
        grants = api.VideoGrants(room_join=True, room=self.room)
        token = api.AccessToken(self._settings.livekit_api_key, self._settings.livekit_api_secret)
        return token.with_identity(identity).with_name(identity).with_grants(grants).to_jwt()

    def ticket(self) -> Ticket:
        return Ticket(self._settings.effective_livekit_url, self.token("guest"))


class LiveKitStarter:
    """The room is made with the dispatch of the agent; every visit is in another one, as in the starter's page."""

    def __init__(self, rooms: Rooms, agent: str) -> None:
        self._rooms = rooms
        self._agent = agent

    async def expect(self) -> None: ...

    async def enter(self) -> Ticket:
        await self._rooms.new(self._agent)
        return self._rooms.ticket()

    async def left(self) -> None: ...

    come_back = enter

    async def over(self) -> None: ...


class PipecatBot:
    """The first time the bot is in the room already; the second time it is started at the request."""

    def __init__(self, rooms: Rooms, process: Process) -> None:
        self._rooms = rooms
        self._process = process

    async def expect(self) -> None:
        await self._start_bot()
        await self._process.says(f"joined {self._rooms.room}")

    async def enter(self) -> Ticket:
        return self._rooms.ticket()

    async def left(self) -> None: ...

    async def come_back(self) -> Ticket:
        await self._start_bot()
        return self._rooms.ticket()

    async def over(self) -> None: ...

    async def _start_bot(self) -> None:
        await self._rooms.new()
        self._process.tell({"room": self._rooms.room, "token": self._rooms.token("bot")})


class Process:
    """Script of a peer in its own environment and process group."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._lines: asyncio.Queue[str] = asyncio.Queue()
        self._reading = asyncio.get_running_loop().create_task(self._read(log), name="peer:read")

    @classmethod
    @asynccontextmanager
    async def running(
        cls, script: str, *arguments: str, settings: Settings, told: Mapping[str, str], log: Path
    ) -> AsyncIterator[Process]:
        python = await asyncio.to_thread(python_of, script, settings.cache)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                str(python),
                str(HERE / f"{script}.py"),
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env=dict(told),
                cwd=log.parent,
                start_new_session=True,
            )
        running = cls(process, log)
        try:
            await running.says("ready")
            yield running
        finally:
            await running._stop()

    async def says(self, wanted: str) -> None:
        """Waits for this line."""
        async with asyncio.timeout(STARTED_WITHIN):
            while line := await self._lines.get():
                if line == wanted:
                    return
        raise AssertionError(f"the peer ended before it said {wanted!r}; its log is beside the results")

    async def _read(self, log: Path) -> None:
        """To the end, also when nobody waits for a line: a full pipe would stop the peer."""
        assert self._process.stdout is not None
        with log.open("ab") as kept:
            async for line in self._process.stdout:
                kept.write(line)
                self._lines.put_nowait(line.decode().rstrip() or " ")
        self._lines.put_nowait("")

    def tell(self, order: Mapping[str, str]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")

    async def _stop(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), STOPPED_WITHIN)
        assert self._process.returncode is not None
        await self._reading


def told_to_peers(settings: Settings, name: str) -> dict[str, str]:
    """The same server, models, instructions and greeting as ours."""
    sample = next(sample for sample in SAMPLES if sample["name"] == WHO)
    agent = AgentBinding(agent_id=WHO, letta_agent_id=WHO, name=WHO)
    blocks = tuple(Block(label, value) for label, value in sample["blocks"].items())
    snapshot = Snapshot(WHO, WHO, blocks, datetime.now(UTC))
    known = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG", "TMPDIR")}
    return known | {
        "LIVEKIT_URL": settings.effective_livekit_url,
        "LIVEKIT_API_KEY": settings.livekit_api_key,
        "LIVEKIT_API_SECRET": settings.livekit_api_secret,
        "PEER_NAME": name,
        "PEER_MODELS_URL": settings.models_url,
        "PEER_STT": endpoints.stt(settings).model,
        "PEER_LLM": endpoints.llm(settings).model,
        "PEER_TTS": endpoints.tts(settings).model,
        "PEER_INSTRUCTIONS": build_prompt(agent, snapshot, today=clock.today()).text,
        "PEER_GREETING": greeting_text(agent, user_name="", returning=False, enabled=True),
    }


@asynccontextmanager
async def running(name: str, stack: Stack, logs: Path) -> AsyncIterator[System]:
    settings = stack.settings
    if name == OURS:
        async with httpx.AsyncClient(base_url=stack.url, timeout=60.0, trust_env=False) as http:
            known = (await http.get("/agents")).raise_for_status().json()["agents"]
            yield Ours(http, next(one["id"] for one in known if one["name"] == WHO))
    elif name == LIVEKIT:
        told, log = told_to_peers(settings, "peers-livekit-starter"), logs / "livekit_starter.log"
        async with (
            Rooms.of(settings, "livekit-starter") as rooms,
            Process.running("livekit_starter", "start", settings=settings, told=told, log=log),
        ):
            yield LiveKitStarter(rooms, told["PEER_NAME"])
    else:
        told, log = told_to_peers(settings, "pipecat"), logs / "pipecat_bot.log"
        async with (
            Rooms.of(settings, "pipecat") as rooms,
            Process.running("pipecat_bot", settings=settings, told=told, log=log) as process,
        ):
            yield PipecatBot(rooms, process)
