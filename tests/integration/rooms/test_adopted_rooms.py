"""Rooms that others made: with own tokens, with LiveKit's API, by dispatches. Real server, workers and clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from livekit import api, rtc

from tests.support.control_plane import ControlPlane, control_plane, eventually, visitor
from tests.support.eventually import PATIENCE
from tests.support.letta_directory import LettaDirectoryServer
from tests.support.light_worker import LightWorker
from voice_agent.contracts import JobMetadata, LogEvent, RoomPolicy
from voice_agent.observe.reading import read_file
from voice_agent.rooms.livekit import Participant
from voice_agent.settings import Settings


@pytest.fixture
def room_name(tmp_path: Any) -> str:
    """One LiveKit server serves the whole run."""
    return f"theirs-{tmp_path.name}"[-60:]


@asynccontextmanager
async def livekit_api(plane: ControlPlane) -> AsyncIterator[api.LiveKitAPI]:
    settings = plane.settings
    client = api.LiveKitAPI(
        settings.effective_livekit_url, settings.livekit_api_key, settings.livekit_api_secret, failover=False
    )
    try:
        yield client
    finally:
        await client.aclose()


def own_token(plane: ControlPlane, room: str, identity: str = "ann", **more: Any) -> dict[str, Any]:
    """As LiveKit's starters make it, with the key of the server and nothing of ours."""
    token = api.AccessToken(plane.settings.livekit_api_key, plane.settings.livekit_api_secret)
    token = token.with_identity(identity).with_name("user").with_grants(api.VideoGrants(room_join=True, room=room))
    if "agents" in more:
        dispatches = [api.RoomAgentDispatch(**dispatch) for dispatch in more["agents"]]
        token = token.with_room_config(api.RoomConfiguration(agents=dispatches))
    if "attributes" in more:
        token = token.with_attributes(more["attributes"])
    return {"server_url": plane.settings.effective_livekit_url, "participant_token": token.to_jwt()}


async def dispatch(plane: ControlPlane, room: str, metadata: str = "", agent_name: str = "voice-agent") -> str:
    request = api.CreateAgentDispatchRequest(agent_name=agent_name, room=room, metadata=metadata)
    async with livekit_api(plane) as livekit:
        return (await livekit.agent_dispatch.create_dispatch(request)).id


def the_only(worker: LightWorker) -> JobMetadata:
    (agent,) = worker.agents.values()
    return agent.metadata


def logged(plane: ControlPlane, event: LogEvent) -> list[dict[str, Any]]:
    log = plane.settings.reconnect_log
    lines = [entry.data or {} for entry in read_file(log)] if log.exists() else []
    return [line["fields"] for line in lines if line["event"] == event]


async def refused(plane: ControlPlane, code: str) -> dict[str, Any]:
    async def one() -> dict[str, Any] | None:
        return next((fields for fields in logged(plane, LogEvent.DISPATCH_FAILED) if fields["code"] == code), None)

    return await eventually(one, PATIENCE, f"a dispatch that failed with {code}")


async def test_who_joins_with_an_own_token_meets_exactly_one_agent_the_default_one(
    plane: ControlPlane, room_name: str
) -> None:
    async with LightWorker(plane.settings) as worker, visitor(own_token(plane, room_name)):
        agent = await plane.ready_agent(room_name)
        async with visitor(own_token(plane, room_name, "ben")):
            await worker.meets("ben")
            assert [p.identity for p in await plane.agents(room_name)] == [agent.identity]
        job = the_only(worker)
        assert (job.agent.agent_id, job.policy, job.agent.memory_scope) == ("agent-1", RoomPolicy.ADOPTED, "read_only")
        assert job.person_id == f"session:{job.session_id}"
        assert worker.taken == 1
        (room,) = (await plane.http.get("/rooms")).json()["rooms"]
        assert (room["name"], room["policy"], room["humans"]) == (room_name, "adopted", 1)


@pytest.mark.parametrize(
    ("agents", "met"),
    [
        ([{"agent_name": "voice-agent"}], "agent-1"),
        ([{"agent_name": "voice-agent", "metadata": '{"agent_id": "agent-2"}'}], "agent-2"),
        ([{"agent_name": "voice-agent", "metadata": "Bert"}], "agent-2"),
        ([{"agent_name": "voice-agent", "metadata": '{"user": "42"}'}], "agent-1"),
        ([{"agent_name": "Bert"}], "agent-2"),
        ([{"agent_name": "of somebody else"}, {"agent_name": "Bert"}], "agent-2"),
    ],
    ids=["our name", "id", "name", "theirs", "assistant's name", "the one that is known"],
)
async def test_a_token_names_the_assistant(
    plane: ControlPlane, room_name: str, agents: list[dict[str, str]], met: str
) -> None:
    async with LightWorker(plane.settings) as worker, visitor(own_token(plane, room_name, agents=agents)):
        await plane.ready_agent(room_name)
        assert the_only(worker).agent.agent_id == met
        assert worker.taken == 1


@pytest.mark.parametrize(
    ("metadata", "met"), [("", "agent-1"), ("Bert", "agent-2"), ('{"agent_id": "agent-2"}', "agent-2")]
)
async def test_an_explicit_dispatch_sends_the_agent_before_anybody_comes(
    plane: ControlPlane, room_name: str, metadata: str, met: str
) -> None:
    async with LightWorker(plane.settings) as worker:
        async with livekit_api(plane) as livekit:
            await livekit.room.create_room(api.CreateRoomRequest(name=room_name, metadata="theirs"))
        await dispatch(plane, room_name, metadata)
        agent = await plane.ready_agent(room_name)
        assert the_only(worker).agent.agent_id == met
        async with visitor(own_token(plane, room_name)):
            await worker.meets("ann")
            assert [p.identity for p in await plane.agents(room_name)] == [agent.identity]
        async with livekit_api(plane) as livekit:
            (room,) = (await livekit.room.list_rooms(api.ListRoomsRequest(names=[room_name]))).rooms
        assert room.metadata == "theirs"


async def test_a_dispatch_that_names_nobody_sends_nobody_and_says_why(plane: ControlPlane, room_name: str) -> None:
    async with LightWorker(plane.settings) as worker:
        await dispatch(plane, room_name, "no assistant is called so")
        async with visitor(own_token(plane, room_name)):
            error = await refused(plane, "agent_not_found")
            assert "no assistant is called so" in error["message"]
            assert worker.taken == 0
            # Another dispatch corrects it.
            await dispatch(plane, room_name, "Bert")
            await plane.ready_agent(room_name)
            assert the_only(worker).agent.agent_id == "agent-2"


async def test_a_second_dispatch_does_not_bring_a_second_agent(plane: ControlPlane, room_name: str) -> None:
    async with LightWorker(plane.settings) as worker, visitor(own_token(plane, room_name)):
        first = await plane.ready_agent(room_name)
        for metadata in ("", "Bert"):
            await dispatch(plane, room_name, metadata)

        async def both_refused() -> bool | None:
            return worker.refused >= 2 or None

        await eventually(both_refused, PATIENCE, "two refusals")
        assert [p.identity for p in await plane.agents(room_name)] == [first.identity]
        assert the_only(worker).agent.agent_id == "agent-1"


async def test_a_dispatch_into_a_room_of_ours_changes_nothing(plane: ControlPlane) -> None:
    async with LightWorker(plane.settings) as worker:
        session = await plane.open_session()
        first = await plane.ready_agent(session["room_name"])
        await dispatch(plane, session["room_name"], "Bert")

        async def one_refused() -> bool | None:
            return worker.refused >= 1 or None

        await eventually(one_refused, PATIENCE, "a refusal")
        assert [p.identity for p in await plane.agents(session["room_name"])] == [first.identity]


async def test_an_agent_that_dies_is_replaced_by_one_of_the_same_assistant(plane: ControlPlane, room_name: str) -> None:
    agents = [{"agent_name": "voice-agent", "metadata": "Bert"}]
    async with LightWorker(plane.settings) as worker, visitor(own_token(plane, room_name, agents=agents)):
        first = await plane.ready_agent(room_name)
        session = the_only(worker).session_id
        await plane.livekit.remove_participant(room_name, first.identity)

        async def another() -> Participant | None:
            ready = [p for p in await plane.agents(room_name) if p.ready]
            return ready[0] if len(ready) == 1 and ready[0].identity != first.identity else None

        await eventually(another, PATIENCE, "another agent")
        assert the_only(worker).agent.agent_id == "agent-2"
        assert the_only(worker).session_id == session


async def test_people_of_an_adopted_room_are_never_put_out(plane: ControlPlane, room_name: str) -> None:
    """Not even with attributes like ours, of a session that is over."""
    session = await plane.open_session()
    bearer = {"Authorization": f"Bearer {session['resume_secret']}"}
    await plane.http.delete(f"/session/{session['session_id']}", headers=bearer)
    forged = {"va.session_id": session["session_id"], "va.person_id": "owner"}
    async with LightWorker(plane.settings) as worker:
        async with visitor(own_token(plane, room_name, attributes=forged)) as there:
            await plane.ready_agent(room_name)
            await worker.meets("ann")
            # The monitor looks again when an agent has gone, and after that at every room.
            for agent in await plane.agents(room_name):
                await plane.livekit.remove_participant(room_name, agent.identity)

            async def replaced() -> bool | None:
                return worker.taken == 2 or None

            await eventually(replaced, PATIENCE, "another agent")
            await plane.ready_agent(room_name)
            async with visitor(own_token(plane, room_name, "ben", attributes=forged)) as later:
                await worker.meets("ben")
                await plane.ready_agent(room_name)
                assert later.isconnected()
            assert there.isconnected()
        assert logged(plane, LogEvent.CALLER_REMOVED) == []


async def test_a_room_with_an_agent_of_others_is_theirs(plane: ControlPlane, room_name: str) -> None:
    foreign = api.AccessToken(plane.settings.livekit_api_key, plane.settings.livekit_api_secret)
    foreign = foreign.with_identity("agent-theirs").with_kind("agent")
    foreign = foreign.with_grants(api.VideoGrants(room_join=True, room=room_name))
    theirs = rtc.Room()
    await theirs.connect(plane.settings.effective_livekit_url, foreign.to_jwt())
    try:
        async with LightWorker(plane.settings) as worker, visitor(own_token(plane, room_name)):
            # A later one that is adopted shows that the monitor has looked at all.
            later = f"{room_name}-later"
            async with visitor(own_token(plane, later)):
                await plane.ready_agent(later)
                assert worker.taken == 1
                assert theirs.isconnected()
    finally:
        await theirs.disconnect()


async def test_a_room_that_is_made_again_under_its_name_is_another_one(plane: ControlPlane, room_name: str) -> None:
    # LiveKit asks the worker itself, so that the first room is still awaited when it is gone.
    agents = [{"agent_name": "voice-agent"}]
    async with LightWorker(plane.settings) as worker:
        async with visitor(own_token(plane, room_name, agents=agents)):
            await plane.ready_agent(room_name)
            first = the_only(worker).session_id
        await plane.livekit.delete_room(room_name)

        async def agent_gone() -> bool | None:
            return not worker.agents or None

        await eventually(agent_gone, PATIENCE, "the agent's leave")
        async with visitor(own_token(plane, room_name)):
            await plane.ready_agent(room_name)
            assert the_only(worker).session_id != first


async def test_a_room_that_is_gone_is_forgotten_and_not_opened(plane: ControlPlane, room_name: str) -> None:
    async with LightWorker(plane.settings):
        async with visitor(own_token(plane, room_name)):
            await plane.ready_agent(room_name)
        await plane.livekit.delete_room(room_name)

        async def released() -> bool | None:
            return bool(logged(plane, LogEvent.ROOM_RELEASED)) or None

        await eventually(released, PATIENCE, "the end of the adoption")
        assert await plane.livekit.rooms([room_name]) == []
        assert (await plane.http.get("/rooms")).json()["rooms"] == []


async def test_the_token_of_an_ended_session_makes_no_room_that_is_served(plane: ControlPlane) -> None:
    async with LightWorker(plane.settings) as worker:
        session = await plane.open_session()
        await plane.ready_agent(session["room_name"])
        bearer = {"Authorization": f"Bearer {session['resume_secret']}"}
        await plane.http.delete(f"/session/{session['session_id']}", headers=bearer)
        gone, room = asyncio.Event(), rtc.Room()
        room.on("disconnected", lambda *_: gone.set())
        await room.connect(session["server_url"], session["participant_token"])
        async with asyncio.timeout(PATIENCE):
            await gone.wait()
        await room.disconnect()

        async def closed() -> bool | None:
            return not await plane.livekit.rooms([session["room_name"]]) or None

        await eventually(closed, PATIENCE, "the end of the room")
        assert worker.taken == 1


async def test_a_room_of_ours_that_a_token_made_again_is_ours(plane: ControlPlane) -> None:
    async with LightWorker(plane.settings) as worker:
        session = await plane.open_session()
        first = await plane.ready_agent(session["room_name"])
        await plane.livekit.delete_room(session["room_name"])  # as if LiveKit had been started again
        async with visitor(session):

            async def another() -> bool | None:
                marked = [room.metadata is not None for room in await plane.livekit.rooms([session["room_name"]])]
                ready = [p for p in await plane.agents(session["room_name"]) if p.ready]
                again = bool(ready) and all(p.identity != first.identity for p in ready)
                return (again and marked == [True]) or None

            await eventually(another, PATIENCE, "an agent in a marked room")
            assert the_only(worker).policy is RoomPolicy.SESSION


async def test_where_it_is_off_rooms_of_others_are_left_alone(
    control_settings: Settings, letta: LettaDirectoryServer, room_name: str
) -> None:
    off = control_settings.model_copy(update={"adopt_rooms": "off"})
    async with control_plane(off) as plane, LightWorker(plane.settings) as worker:
        await dispatch(plane, room_name)
        async with visitor(own_token(plane, room_name)):
            session = await plane.open_session()
            await plane.ready_agent(session["room_name"])
            await asyncio.sleep(2)
            assert (worker.taken, worker.refused) == (1, 1)
