"""Another host as client: with VOICE_HOST set, page, media, data and webhooks work for it."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from livekit import rtc

from tests.support.aside import aside
from tests.support.control_plane import ControlPlane, control_plane
from tests.support.letta_directory import running_letta_directory
from tests.support.light_worker import LightWorker
from tests.support.livekit_server import LiveKitServer, running_livekit
from tests.support.namespace import OURS, OtherHost, missing, other_host
from tests.support.tone import heard, sounding, tracks_of
from voice_agent.contracts import Topic

SECRET = "a-secret-of-an-administrator-for-tests"
WITHIN = 120.0


@pytest.fixture
def neighbour() -> Iterator[OtherHost]:
    if why := missing():
        pytest.skip(why)
    with other_host() as host:
        yield host


@asynccontextmanager
async def reachable(home: Path) -> AsyncIterator[tuple[LiveKitServer, ControlPlane]]:
    async with aside(running_livekit(host=OURS, admin_secret=SECRET)) as server:
        settings = server.settings.model_copy(update={"home": home})
        async with aside(running_letta_directory(settings.letta_port)) as letta:
            letta.add("agent-1", "Ada")
            async with control_plane(settings) as plane, LightWorker(settings):
                yield server, plane


@asynccontextmanager
async def person_on(host: OtherHost, url: str) -> AsyncIterator[Process]:
    command = host.command(sys.executable, "-m", "tests.support.remote_client", url, "agent-1")
    client = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    try:
        yield client
    finally:
        if client.returncode is None:
            client.kill()
        await client.communicate()


async def line_of(client: Process) -> dict[str, Any]:
    assert client.stdout is not None
    assert client.stderr is not None
    async with asyncio.timeout(WITHIN):
        if line := await client.stdout.readline():
            return dict(json.loads(line))
        raise AssertionError((await client.stderr.read()).decode()[-2000:])


async def test_a_person_on_another_host_sees_the_page_and_hears_and_is_heard(
    neighbour: OtherHost, media_engine: object, tmp_path: Path
) -> None:
    async with reachable(tmp_path) as (server, plane), person_on(neighbour, plane.settings.page_url) as client:
        met = await line_of(client)
        media = f"ws://{OURS}:{plane.settings.livekit_port}"
        assert (met["health"], met["page"], met["server_url"]) == (200, 200, media)
        assert media in met["policy"]
        await plane.ready_agent(met["room"], within=30)
        # As an agent's job does, from this machine.
        room, said = rtc.Room(), asyncio.Queue[str]()
        reading: set[asyncio.Task[None]] = set()

        def on_text(reader: rtc.TextStreamReader, _identity: str) -> None:
            async def whole() -> None:
                said.put_nowait(await reader.read_all())

            reading.add(asyncio.get_running_loop().create_task(whole()))

        room.register_text_stream_handler(Topic.CHAT, on_text)
        tracks = tracks_of(room)
        await room.connect(
            plane.settings.effective_livekit_url, plane.livekit.token(met["room"], "this-machine", "", {}, ttl=600)
        )
        try:
            async with sounding(room):
                assert await heard(tracks), "they are not heard here"
                assert (await line_of(client))["heard"], "we are not heard there"
                async with asyncio.timeout(WITHIN):
                    assert await said.get() == "Hello from afar."
                await asyncio.wait(reading)
        finally:
            await room.disconnect()
        await client.communicate(b"")  # closes its input
        assert "webhook" not in (server.settings.home / "livekit.log").read_text(), "serve was not told what happened"
