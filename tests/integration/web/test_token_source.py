"""POST /token: LiveKit's TokenSource contract, and an agent that is sent when somebody joins."""

from __future__ import annotations

import asyncio
from typing import Any

import jwt
import pytest

from tests.support.control_plane import ControlPlane, control_plane, eventually, visitor
from tests.support.eventually import PATIENCE
from tests.support.letta_directory import LettaDirectoryServer
from tests.support.light_worker import LightWorker
from voice_agent.registry.store import SqlSessionStore
from voice_agent.rooms.repository import RoomRepository
from voice_agent.settings import Settings
from voice_agent.storage import Database

SITE = "https://app.test"


def claims(plane: ControlPlane, answer: dict[str, Any]) -> dict[str, Any]:
    return jwt.decode(answer["participant_token"], plane.settings.livekit_api_secret, algorithms=["HS256"])


async def token(plane: ControlPlane, **body: Any) -> dict[str, Any]:
    answer = await plane.http.post("/token", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return dict(answer.json())


async def agent_of(plane: ControlPlane, answer: dict[str, Any]) -> str:
    """Id of the assistant whose session this token opens."""
    database = Database(plane.settings.effective_database_url)
    try:
        session = await SqlSessionStore(database).get(claims(plane, answer)["attributes"]["va.session_id"])
        room = await RoomRepository(database, lambda: 0.0).get(answer["room_name"])
    finally:
        await database.close()
    assert session is not None
    assert room is not None
    assert room.job.agent.agent_id == session.agent_id
    return session.agent_id


def asking_for(agent_name: str = "", metadata: str = "") -> dict[str, Any]:
    return {"room_config": {"agents": [{"agent_name": agent_name, "metadata": metadata}]}}


async def saved(plane: ControlPlane, name: str, letta_agent_id: str = "agent-1", **config: Any) -> str:
    body = {"name": name, "letta_agent_id": letta_agent_id, "config": config}
    return str((await plane.http.post("/agents", json=body)).raise_for_status().json()["id"])


@pytest.mark.parametrize("body", [b"", b"{}", b"null"])
async def test_an_empty_body_is_answered(plane: ControlPlane, body: bytes) -> None:
    answer = await plane.http.post("/token", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 201, answer.text
    assert answer.json()["server_url"] == plane.settings.effective_livekit_url
    assert await agent_of(plane, answer.json()) == "agent-1", "the first one of the list"


async def test_no_body_and_no_content_type_is_answered_too(plane: ControlPlane) -> None:
    assert (await plane.http.post("/token")).status_code == 201


async def test_the_default_agent_is_the_one_that_is_set(
    control_settings: Settings, letta: LettaDirectoryServer
) -> None:
    async with control_plane(control_settings.model_copy(update={"default_agent": "agent-2"})) as plane:
        assert await agent_of(plane, await token(plane)) == "agent-2"


async def test_the_first_one_is_one_that_whoever_calls_may_talk_to(plane: ControlPlane) -> None:
    await saved(plane, "Office", room_policy="shared")
    open_to_all = await saved(plane, "Desk")
    assert await agent_of(plane, await token(plane)) == open_to_all


async def test_agent_name_and_metadata_name_an_assistant(plane: ControlPlane) -> None:
    desk = await saved(plane, "Front Desk", "agent-2")
    for asked, met in (
        (asking_for("Front Desk"), desk),
        (asking_for("front  desk"), desk),
        (asking_for(desk), desk),
        (asking_for("Bert"), "agent-2"),
        (asking_for("voice-agent"), desk),
        (asking_for("voice-agent", '{"agent_id": "agent-2"}'), "agent-2"),
        (asking_for("", '{"agent_id": "Bert", "theirs": 1}'), "agent-2"),
        (asking_for("", '{"theirs": 1}'), desk),
        (asking_for("Bert", '{"theirs": 1}'), "agent-2"),
        ({"roomConfig": {"agents": [{"agentName": "Bert"}]}}, "agent-2"),
        ({"room_config": {"agents": []}}, desk),
        ({"room_config": {"agents": None}}, desk),
        (asking_for("Bert") | {"participant_attributes": {"agent_id": "agent-1"}}, "agent-1"),
    ):
        assert await agent_of(plane, await token(plane, **asked)) == met, asked


async def test_a_saved_assistant_comes_before_one_of_letta_of_the_same_name(plane: ControlPlane) -> None:
    mine = await saved(plane, "Ada", "agent-2")
    assert await agent_of(plane, await token(plane, **asking_for("Ada"))) == mine


@pytest.mark.parametrize(
    ("asked", "code"),
    [(asking_for("Nobody"), (404, "agent_not_found")), (asking_for("Twin"), (400, "agent_ambiguous"))],
)
async def test_a_name_that_is_nobodys_or_two_assistants_is_an_error(
    plane: ControlPlane, asked: dict[str, Any], code: tuple[int, str]
) -> None:
    twins = [await saved(plane, "Twin"), await saved(plane, "Twin")]
    answer = await plane.http.post("/token", json=asked)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == code
    if code[0] == 404:
        assert "'Nobody'" in error["message"]
    else:
        assert all(twin in error["remedy"] for twin in twins)


async def test_what_others_put_into_a_token_is_put_into_it(plane: ControlPlane) -> None:
    answer = await token(
        plane,
        roomName="mine",
        participantIdentity="me",
        participantName="Ann",
        participantMetadata='{"theirs": 1}',
        participantAttributes={"agent_id": "agent-2", "theme": "dark"},
        roomConfig={"emptyTimeout": 30, "agents": [{"agentName": "voice-agent", "deployment": ""}]},
        ofLater="versions",
    )
    found = claims(plane, answer)
    assert found["name"] == answer["participant_name"] == "Ann"
    assert found["metadata"] == '{"theirs": 1}'
    assert found["attributes"]["theme"] == "dark"
    assert "agent_id" not in found["attributes"]
    assert found["video"]["room"] == answer["room_name"] != "mine"
    assert found["sub"] != "me"
    assert "roomConfig" not in found, "an agent is sent by us"


@pytest.mark.parametrize(
    "attributes",
    [
        {"va.role": "owner"},
        {"va.person_id": "owner"},
        {"lk.agent.state": "speaking"},
        {"theme": 1},
        {"": "x"},
        {f"a{number}": "x" for number in range(33)},
        {"theme": "x" * 1025},
    ],
)
async def test_attributes_that_only_we_set_and_ones_without_measure_are_refused(
    plane: ControlPlane, attributes: dict[str, Any]
) -> None:
    answer = await plane.http.post("/token", json={"participant_attributes": attributes})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_request")


async def test_the_token_does_not_outlive_the_room_that_nobody_joined(
    control_settings: Settings, letta: LettaDirectoryServer
) -> None:
    async with control_plane(control_settings.model_copy(update={"session_validity": 900})) as plane:
        found = claims(plane, await token(plane))
    assert found["exp"] - found["nbf"] == 900
    assert "va.call_id" not in found["attributes"], "one token, many presses"


async def test_an_agent_is_sent_when_somebody_joins_and_not_for_a_token(plane: ControlPlane) -> None:
    async with LightWorker(plane.settings) as worker:
        answer = await token(plane)
        at_once = await plane.open_session()
        await plane.ready_agent(at_once["room_name"])  # the monitor has looked at both rooms
        await asyncio.sleep(2)  # what must not happen within two seconds has no event to wait for
        assert await plane.agents(answer["room_name"]) == []
        assert worker.taken == 1
        async with visitor(answer):
            await plane.ready_agent(answer["room_name"])
        assert worker.taken == 2


async def test_a_session_that_is_resumed_by_token_waits_for_its_person_too(plane: ControlPlane) -> None:
    async with LightWorker(plane.settings) as worker:
        session = await plane.open_session()
        first = await plane.ready_agent(session["room_name"])
        await plane.livekit.remove_participant(session["room_name"], first.identity)
        database = Database(plane.settings.effective_database_url)
        await RoomRepository(database, lambda: 0.0).expect_nobody(session["room_name"])
        await database.close()

        async def gone() -> bool | None:
            return not worker.agents or None

        await eventually(gone, PATIENCE, "the end of the first agent")
        about = {name: session[name] for name in ("session_id", "resume_secret")}
        answer = await token(plane, participant_attributes=about)
        assert answer["room_name"] == session["room_name"]
        assert not set(about.values()) & set(claims(plane, answer)["attributes"].values()) - {session["session_id"]}
        at_once = await plane.open_session()
        await plane.ready_agent(at_once["room_name"])
        await asyncio.sleep(2)
        assert worker.taken == 2
        async with visitor(answer):
            await plane.ready_agent(session["room_name"])


async def test_a_starter_on_another_site_may_ask_when_its_origin_is_named(
    control_settings: Settings, letta: LettaDirectoryServer
) -> None:
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-sandbox-id"}
    async with control_plane(control_settings.model_copy(update={"cors_origins": SITE})) as plane:
        allowed = await plane.http.options("/token", headers=asks | {"Origin": SITE})
        assert allowed.status_code == 200, allowed.text
        assert allowed.headers["Access-Control-Allow-Origin"] == SITE
        assert "x-sandbox-id" in allowed.headers["Access-Control-Allow-Headers"].lower()
        answer = await plane.http.post("/token", json={}, headers={"Origin": SITE, "X-Sandbox-Id": "x"})
        assert answer.status_code == 201
        assert answer.headers["Access-Control-Allow-Origin"] == SITE
        for method in ("OPTIONS", "POST"):
            refused = await plane.http.request(method, "/token", headers=asks | {"Origin": "https://evil.test"})
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
            assert "Access-Control-Allow-Origin" not in refused.headers
