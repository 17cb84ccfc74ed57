"""Jobs that a worker refuses fail in LiveKit, with the reason: a real worker, and LiveKit's own log."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from livekit import api

from tests.support.control_plane import eventually
from tests.support.eventually import PATIENCE
from tests.support.letta_directory import running_letta_directory
from tests.support.livekit_server import LiveKitServer, settings_on_free_ports
from tests.support.stack import temporary_home
from voice_agent.rooms.workers import WorkerRegistry
from voice_agent.settings import Settings
from voice_agent.stack import livekit
from voice_agent.stack.subprocess_utils import write_private
from voice_agent.storage import Database, upgrade


@pytest.fixture(scope="module")
def talkative() -> Iterator[LiveKitServer]:
    """LiveKit that logs the end of each job."""
    with temporary_home() as home:
        settings = settings_on_free_ports(home, worker_prewarm=0, worker_port=0)
        asyncio.run(livekit.provision(settings, lambda _line: None))
        told = json.loads(livekit.configuration(settings)) | {"logging": {"level": "info", "json": True}}
        write_private(livekit.config_file(settings), json.dumps(told))
        server = LiveKitServer(settings)
        server.start()
        try:
            yield server
        finally:
            server.kill()


@contextmanager
def real_worker(settings: Settings) -> Iterator[None]:
    with (settings.home / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "voice_agent.cli", "worker"],
            env=dict(os.environ) | settings.as_environment(),
            cwd=settings.home,
            stdout=log,
            stderr=log,
        )
    try:
        yield
    finally:
        worker.terminate()
        worker.wait()


async def registered(settings: Settings) -> None:
    database = Database(settings.effective_database_url)

    async def one() -> bool | None:
        return bool(await WorkerRegistry(database).all()) or None

    try:
        await upgrade(database)
        await eventually(one, PATIENCE, "a registered worker")
    finally:
        await database.close()


def ended_jobs(server: LiveKitServer, room: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (server.settings.home / "livekit.log").read_text().splitlines()]
    jobs = {line["jobID"] for line in lines if line.get("msg") == "assigned job to worker" and line["room"] == room}
    return [line for line in lines if line.get("msg") == "job ended" and line["jobID"] in jobs]


@pytest.mark.parametrize(
    ("room", "metadata", "reason"),
    [
        ("nobody", "no such assistant", "There is no agent 'no such assistant'. [agent_not_found]"),
        (
            "old",
            json.dumps({"room_name": "old", "session_id": "s", "agent": {}, "later": 1}),
            "mistakes. [bad_job_metadata]",
        ),
    ],
)
async def test_the_reason_is_livekits(
    talkative: LiveKitServer, room: str, metadata: str, reason: str, tmp_path: Path
) -> None:
    settings = talkative.settings
    with running_letta_directory(settings.letta_port) as letta, real_worker(settings):
        letta.add("agent-1", "Ada")
        await registered(settings)
        async with api.LiveKitAPI(
            settings.effective_livekit_url, settings.livekit_api_key, settings.livekit_api_secret, failover=False
        ) as client:
            request = api.CreateAgentDispatchRequest(agent_name="voice-agent", room=room, metadata=metadata)

            async def sent() -> bool | None:
                """LiveKit says that a worker is registered a little before it sends it jobs."""
                if not ended_jobs(talkative, room):
                    await client.agent_dispatch.create_dispatch(request)
                    await asyncio.sleep(1)
                return bool(ended_jobs(talkative, room)) or None

            await eventually(sent, PATIENCE, "a job that ended")
            (job, *_) = ended_jobs(talkative, room)
            assert job["status"] == "JS_FAILED"
            assert reason in job["error"]
            present = await client.room.list_participants(api.ListParticipantsRequest(room=room))
            assert not present.participants
