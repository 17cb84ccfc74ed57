"""Exactly one ready agent in every room with a human: real server, workers and clients."""

from __future__ import annotations

import asyncio

from tests.support.control_plane import ControlPlane, eventually, visitor
from tests.support.eventually import PATIENCE
from tests.support.light_worker import LightWorker
from voice_agent.rooms.workers import WorkerScope


async def test_the_agent_is_there_before_the_visitor(plane: ControlPlane) -> None:
    async with LightWorker(plane.settings) as worker:
        session = await plane.open_session()
        agent = await plane.ready_agent(session["room_name"])
        async with visitor(session) as room:
            assert agent.identity in room.remote_participants
        assert len(worker.agents) == 1


async def test_a_worker_that_comes_late_serves_the_room_that_waited(plane: ControlPlane) -> None:
    session = await plane.open_session()
    async with visitor(session), LightWorker(plane.settings):
        await plane.ready_agent(session["room_name"])


async def test_leave_is_acknowledged_and_the_same_agent_is_there_again(plane: ControlPlane) -> None:
    async with LightWorker(plane.settings) as worker:
        session = await plane.open_session()
        first = await plane.ready_agent(session["room_name"])
        bearer = {"Authorization": f"Bearer {session['resume_secret']}"}
        async with visitor(session):
            await worker.meets(session["participant_identity"])
            left = await plane.http.post(f"/session/{session['session_id']}/leave", headers=bearer)
        assert left.json() == {"reset": "done", "episode": first.episode + 1}
        back = await plane.open_session(session_id=session["session_id"], resume_secret=session["resume_secret"])
        assert back["resumed"]
        assert back["room_name"] == session["room_name"]
        assert back["participant_identity"] == session["participant_identity"]
        async with visitor(back):
            assert (await plane.ready_agent(session["room_name"])).identity == first.identity


async def test_an_outsider_who_dispatches_again_and_again_gets_no_second_agent(plane: ControlPlane) -> None:
    async with LightWorker(plane.settings) as worker:
        session = await plane.open_session()
        incumbent = await plane.ready_agent(session["room_name"])
        job = worker.agents[incumbent.identity.removeprefix("agent-")].metadata
        for _ in range(20):
            await plane.livekit.dispatch(session["room_name"], job)

        async def all_refused() -> bool | None:
            return worker.refused >= 20 or None

        await eventually(all_refused, PATIENCE, "twenty refusals")
        assert [p.identity for p in await plane.agents(session["room_name"])] == [incumbent.identity]


async def test_twenty_requests_for_one_room_and_two_workers_give_one_agent(plane: ControlPlane) -> None:
    async with LightWorker(plane.settings, name="one") as one, LightWorker(plane.settings, name="two") as two:
        opened = await asyncio.gather(*(plane.open_session(role="owner", business_id="b1") for _ in range(20)))
        (room,) = {session["room_name"] for session in opened}
        agent = await plane.ready_agent(room)
        async with visitor(opened[0]), visitor(opened[-1]):
            assert [p.identity for p in await plane.agents(room)] == [agent.identity]
            assert len(one.agents) + len(two.agents) == 1


async def test_who_waits_in_an_empty_room_gives_up_the_seat_that_somebody_needs(plane: ControlPlane) -> None:
    async with LightWorker(plane.settings, capacity=2) as worker:
        talking, waiting = await plane.open_session(), await plane.open_session()
        kept = await plane.ready_agent(talking["room_name"])
        await plane.ready_agent(waiting["room_name"])
        async with visitor(talking):
            await worker.meets(talking["participant_identity"])
            newcomer = await plane.open_session()
            async with visitor(newcomer):
                await plane.ready_agent(newcomer["room_name"])
                assert await plane.agents(waiting["room_name"]) == []
                assert [p.identity for p in await plane.agents(talking["room_name"])] == [kept.identity]


async def test_only_a_seat_of_a_worker_that_serves_the_room_is_asked_for(plane: ControlPlane) -> None:
    general = WorkerScope(roles=frozenset({"general"}))
    owners = WorkerScope(roles=frozenset({"owner"}))
    async with (
        LightWorker(plane.settings, name="general", capacity=1, worker_scope=general),
        LightWorker(plane.settings, name="owners", capacity=1, worker_scope=owners),
    ):
        # Who has waited longest would be the first to go.
        owner = await plane.open_session(role="owner", business_id="b1")
        stays = await plane.ready_agent(owner["room_name"])
        waiting = await plane.open_session()
        await plane.ready_agent(waiting["room_name"])
        newcomer = await plane.open_session()
        async with visitor(newcomer):
            await plane.ready_agent(newcomer["room_name"])
            assert await plane.agents(waiting["room_name"]) == []
            assert [p.identity for p in await plane.agents(owner["room_name"])] == [stays.identity]


async def test_an_agent_without_a_lease_is_removed_and_the_incumbent_stays(plane: ControlPlane) -> None:
    from livekit import api, rtc

    async with LightWorker(plane.settings):
        session = await plane.open_session()
        room_name = session["room_name"]
        incumbent = await plane.ready_agent(room_name)
        token = api.AccessToken(plane.settings.livekit_api_key, plane.settings.livekit_api_secret)
        token = token.with_identity("agent-intruder").with_kind("agent")
        token = token.with_grants(api.VideoGrants(room_join=True, room=room_name))
        intruder = rtc.Room()
        gone = asyncio.Event()
        intruder.on("disconnected", lambda *_: gone.set())
        await intruder.connect(plane.settings.effective_livekit_url, token.to_jwt())
        async with visitor(session), asyncio.timeout(PATIENCE):
            await gone.wait()
        await intruder.disconnect()
        assert [p.identity for p in await plane.agents(room_name)] == [incumbent.identity]
