"""LightWorker is seen like a worker with real jobs, for which it stands in other tests: one scenario, both kinds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.control_plane import ControlPlane, control_plane, eventually, visitor
from tests.support.eventually import PATIENCE
from tests.support.job_worker import JobWorker, world_of_jobs
from tests.support.letta_directory import LettaDirectoryServer
from tests.support.light_worker import Behaviour, LightWorker
from tests.support.livekit_server import LiveKitServer
from tests.support.scripted_llm import Rule
from voice_agent.contracts import AgentAttribute, ControlMessage
from voice_agent.conversation.providers import load_vad
from voice_agent.rooms.leases import Health, LeaseRow, Leases
from voice_agent.rooms.livekit import Participant
from voice_agent.settings import Settings
from voice_agent.storage import Database

SEEN_BY_THE_MONITOR = (
    AgentAttribute.READY,
    AgentAttribute.STATE,
    AgentAttribute.EPISODE,
    AgentAttribute.LEASE_EPOCH,
)
GONE, STAYS = "agent-gone", "agent-1"


async def scenario(plane: ControlPlane, worker: LightWorker) -> dict[str, Any]:
    """What the rest of the system sees of a job from its dispatch to its end, and of one that fails."""
    database = Database(plane.settings.effective_database_url)
    leases = Leases(database)

    async def lease(room: str) -> LeaseRow:
        return (await leases.of([room]))[room]

    async def released(room: str) -> LeaseRow | None:
        row = await lease(room)
        return row if row.job is None and row.epoch else None

    try:
        session = await plane.open_session(agent_id=STAYS)
        room = session["room_name"]
        first = await plane.ready_agent(room)
        held = await lease(room)
        bearer = {"Authorization": f"Bearer {session['resume_secret']}"}
        async with visitor(session):
            await eventually(lambda: _engaged(plane, room), PATIENCE, "an agent that serves the visitor")
            left = await plane.http.post(f"/session/{session['session_id']}/leave", headers=bearer)
        again = await plane.ready_agent(room)
        await plane.livekit.order(room, ControlMessage(act="drain"))
        freed = await eventually(lambda: released(room), PATIENCE, "the lease of a job that was drained")

        failing = await plane.open_session(agent_id=GONE)
        problem = await eventually(lambda: _problem(plane, failing), PATIENCE, "a failing agent on the page")
        ended = await lease(failing["room_name"])
        return {
            "attributes": _seen(first),
            "lease": (held.epoch, held.job == first.identity.removeprefix("agent-"), held.worker == worker.name),
            "healthy": not held.health.failed,
            "left": left.json(),
            "after the reset": (again.identity == first.identity, _seen(again)),
            "drained": (freed.epoch, freed.health.failed),
            "failed": (problem["code"], ended.job, ended.epoch),
        }
    finally:
        await database.close()


async def _engaged(plane: ControlPlane, room: str) -> bool | None:
    return any(agent.state == "engaged" for agent in await plane.agents(room)) or None


async def _problem(plane: ControlPlane, session: dict[str, Any]) -> dict[str, str] | None:
    headers = {"Authorization": f"Bearer {session['resume_secret']}"}
    standing = await plane.http.get(f"/session/{session['session_id']}", headers=headers)
    problem: dict[str, str] | None = standing.json()["problem"]
    return problem if problem and problem["code"] == "agent_fails" else None


def _seen(agent: Participant) -> dict[str, str]:
    return {name: agent.attributes.get(name, "") for name in SEEN_BY_THE_MONITOR}


class Failing(LightWorker):
    """Its agents fail as a real job does whose Letta agent was deleted."""

    def _begin(self, ws: Any, assignment: Any) -> None:
        gone = GONE in assignment.job.metadata
        health = Health("agent_not_found", why="It is gone.", lasting=True)
        self.behaviour = Behaviour(fails_with=health if gone else None)
        super()._begin(ws, assignment)


async def _both(settings: Settings, real: Settings, letta: LettaDirectoryServer) -> list[dict[str, Any]]:
    found = []
    letta.vanishing.add(GONE)
    async with control_plane(settings, apart=True) as plane, Failing(settings) as light:
        found.append(await scenario(plane, light))
    letta.add(GONE, "Ada")  # again
    async with control_plane(real, apart=True) as plane, JobWorker(real, load_vad(), capacity=50) as jobs:
        found.append(await scenario(plane, jobs))
    return found


@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <coroutine object RecognizeStream:pytest.PytestUnraisableExceptionWarning"
)
def test_both_kinds_of_worker_are_seen_alike(
    livekit_server: LiveKitServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    homes = [tmp_path_factory.mktemp(name) for name in ("light", "real")]
    with world_of_jobs(livekit_server.settings, homes[0], (STAYS, GONE), (Rule(reply="I see."),)) as (settings, letta):
        real = settings.model_copy(update={"home": homes[1]})
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("VOICE_HOME", str(homes[1]))
            light, jobs = asyncio.run(_both(settings, real, letta))
    assert light == jobs
    assert light["left"]["reset"] == "done"
    # Taken, released, counted as a failure: an agent that would fail again is not tried again.
    assert light["failed"] == ("agent_fails", None, 3)
