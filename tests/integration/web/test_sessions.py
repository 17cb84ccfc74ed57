"""Session routes: who gets into which room, and with which token."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import jwt
import pytest

from tests.support.control_plane import ControlPlane, control_plane
from tests.support.letta_directory import LettaDirectoryServer
from voice_agent.settings import Settings

ADMIN = "an-admin-secret-for-tests"
VOUCHER = "a-secret-shared-with-another-site-for-tests"


@pytest.fixture
def public_settings(control_settings: Settings) -> Settings:
    more = {"admin_secret": ADMIN, "assertion_secret": VOUCHER, "sessions_per_minute": 6}
    return control_settings.model_copy(update=more)


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def claims(plane: ControlPlane, session: dict[str, Any]) -> dict[str, Any]:
    return jwt.decode(session["participant_token"], plane.settings.livekit_api_secret, algorithms=["HS256"])


async def test_the_token_opens_one_room_for_one_identity_and_nothing_more(plane: ControlPlane) -> None:
    session = await plane.open_session(user_name="Ann", role="customer", business_id="b1")
    token = claims(plane, session)
    assert token["sub"] == session["participant_identity"]
    assert token["video"] == {
        "roomJoin": True,
        "room": session["room_name"],
        "canPublish": True,
        "canSubscribe": True,
        "canPublishData": True,
        "canPublishSources": ["microphone"],
        "canUpdateOwnMetadata": False,
    }
    assert token["attributes"] == {
        "va.role": "customer",
        "va.business_id": "b1",
        "va.user_name": "Ann",
        "va.person_id": "owner",
        "va.session_id": session["session_id"],
        "va.call_id": session["call_id"],
    }
    assert token["exp"] - token["nbf"] == plane.settings.token_ttl


async def test_a_token_lasts_as_long_as_was_asked_for(plane: ControlPlane) -> None:
    def lasts(answer: dict[str, Any]) -> int:
        token = claims(plane, answer)
        assert answer["token_ttl"] == token["exp"] - token["nbf"]
        return int(answer["token_ttl"])

    longest = int(plane.settings.token_ttl)
    session = await plane.open_session(token_ttl=600)
    assert lasts(session) == 600
    assert lasts(await plane.open_session()) == longest
    known = {key: session[key] for key in ("session_id", "resume_secret")}
    assert lasts(await plane.open_session(token_ttl=2 * longest, **known)) == longest
    url, who = f"/session/{session['session_id']}/token", bearer(session["resume_secret"])
    assert lasts((await plane.http.post(url, headers=who)).json()) == longest
    assert lasts((await plane.http.post(url, headers=who, json={"token_ttl": 60})).json()) == 60
    assert (await plane.http.post(url, headers=who, json={"token_ttl": 1})).status_code == 422


async def test_each_token_begins_a_new_call_unless_the_client_goes_on_with_the_last_one(plane: ControlPlane) -> None:
    def call_of(answer: dict[str, Any]) -> str:
        call = claims(plane, answer)["attributes"]["va.call_id"]
        assert call == answer["call_id"]
        return str(call)

    session = await plane.open_session()
    first = call_of(session)
    known = {key: session[key] for key in ("session_id", "resume_secret")}
    assert call_of(await plane.open_session(**known)) != first
    assert call_of(await plane.open_session(**known, call_id=first)) == first
    url, who = f"/session/{session['session_id']}/token", bearer(session["resume_secret"])
    assert call_of((await plane.http.post(url, headers=who)).json()) != first
    assert call_of((await plane.http.post(url, headers=who, json={"call_id": first})).json()) == first
    assert (await plane.http.post(url, headers=who, json={"call_id": "anything"})).status_code == 422
    asked = {"participant_attributes": {"agent_id": session["agent"]["id"]}}
    kept_long = (await plane.http.post("/token", json=asked)).json()
    assert "va.call_id" not in claims(plane, kept_long)["attributes"], "one token, many presses"


async def test_config_is_merged_objects_merge_lists_replace_null_removes(plane: ControlPlane) -> None:
    config = {"greeting": "Hi", "tools": ["a", "b"], "extra": {"x": {"one": 1, "two": 2}, "y": 1}}
    agent = (await plane.http.post("/agents", json={"name": "A", "letta_agent_id": "agent-1", "config": config})).json()
    overrides = {"greeting": None, "tools": ["c"], "extra": {"x": {"two": 3, "one": None}, "z": 2}}
    session = await plane.open_session(agent_id=agent["id"], agent_config=overrides)
    assert session["config"] == {"tools": [{"name": "c"}], "extra": {"x": {"two": 3}, "y": 1, "z": 2}}


async def test_an_id_alone_does_not_bring_anybody_back(public_settings: Settings, letta: LettaDirectoryServer) -> None:
    async with control_plane(public_settings) as plane:
        first = await plane.open_session()
        for secret in (None, "wrong"):
            other = await plane.open_session(session_id=first["session_id"], resume_secret=secret)
            assert not other["resumed"]
            assert other["room_name"] != first["room_name"]
            assert other["notice"]["code"] == "session_not_found"


async def test_after_its_validity_a_session_is_fresh_and_says_so(
    control_settings: Settings, letta: LettaDirectoryServer
) -> None:
    async with control_plane(control_settings.model_copy(update={"session_validity": 0.05})) as plane:
        first = await plane.open_session()
        await asyncio.sleep(0.1)
        who = bearer(first["resume_secret"])
        # The page opens no microphone by itself in a session that is over.
        assert (await plane.http.get(f"/session/{first['session_id']}", headers=who)).json()["ended"]
        late = await plane.http.post(f"/session/{first['session_id']}/token", headers=who)
        assert (late.status_code, late.json()["error"]["code"]) == (410, "session_expired")
        again = await plane.open_session(session_id=first["session_id"], resume_secret=first["resume_secret"])
        assert (again["resumed"], again["notice"]["code"]) == (False, "session_expired")


async def test_an_ended_session_is_over(plane: ControlPlane) -> None:
    first = await plane.open_session()
    url, who = f"/session/{first['session_id']}", bearer(first["resume_secret"])
    assert (await plane.http.delete(url, headers=who)).status_code == 204
    assert (await plane.http.get(url, headers=who)).json()["ended"]
    assert (await plane.http.post(f"{url}/token", headers=who)).status_code == 410
    again = await plane.open_session(session_id=first["session_id"], resume_secret=first["resume_secret"])
    assert not again["resumed"]


async def test_strangers_get_no_further_than_their_own_session(
    public_settings: Settings, letta: LettaDirectoryServer
) -> None:
    async with control_plane(public_settings) as plane:
        mine, theirs = await plane.open_session(), await plane.open_session()
        url = f"/session/{theirs['session_id']}"
        for method, path in (
            ("GET", ""),
            ("POST", "/token"),
            ("POST", "/leave"),
            ("DELETE", ""),
            ("GET", "/transcript"),
        ):
            answer = await plane.http.request(method, url + path, headers=bearer(mine["resume_secret"]))
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "session_not_found"), path
        for path in ("/sessions", "/rooms", "/metrics", "/agents/agent-1", "/events"):
            assert (await plane.http.get(path, headers=bearer(mine["resume_secret"]))).status_code == 401, path
            assert (await plane.http.get(path)).status_code == 401, path
        assert (await plane.http.get("/sessions", headers=bearer(ADMIN))).status_code == 200
        for body in (
            {"role": "owner"},
            {"agent_config": {"memory_scope": "personal"}},
            {"agent_config": {"providers": {"tts": {"voice": "nova", "base_url": "http://elsewhere"}}}},
        ):
            refused = await plane.http.post("/session", json={"agent_id": "agent-1"} | body)
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden"), body


async def test_an_owner_is_who_another_site_vouches_for_and_shares_the_room_of_the_business(
    public_settings: Settings, letta: LettaDirectoryServer
) -> None:
    def assertion(**more: Any) -> dict[str, str]:
        about = {"sub": "u1", "role": "owner", "business_id": "b1", "name": "Olga", "exp": time.time() + 60} | more
        return {"X-Voice-Assertion": jwt.encode(about, VOUCHER, algorithm="HS256")}

    async with control_plane(public_settings) as plane:

        async def enter(headers: dict[str, str]) -> httpx.Response:
            return await plane.http.post("/session", json={"agent_id": "agent-1", "user_name": "X"}, headers=headers)

        first, second = (await enter(assertion())).json(), (await enter(assertion(sub="u2"))).json()
        assert first["room_name"] == second["room_name"]
        assert first["participant_identity"] != second["participant_identity"]
        assert claims(plane, first)["attributes"]["va.user_name"] == "Olga"
        other = (await enter(assertion(business_id="b2"))).json()
        assert other["room_name"] != first["room_name"]
        assert (await enter(assertion(exp=time.time() - 600))).status_code == 401
        forged = jwt.encode({"sub": "u", "exp": time.time() + 60}, "x" * 32, algorithm="HS256")
        assert (await enter({"X-Voice-Assertion": forged})).status_code == 401


async def test_one_address_opens_so_many_sessions_and_is_told_when_to_come_back(
    public_settings: Settings, letta: LettaDirectoryServer
) -> None:
    async with control_plane(public_settings) as plane:
        answers = [await plane.http.post("/session", json={"agent_id": "agent-1"}) for _ in range(8)]
        assert [a.status_code for a in answers].count(429) >= 1
        assert int(answers[-1].headers["Retry-After"]) >= 1


async def test_a_burst_of_sessions_has_no_room_twice(plane: ControlPlane) -> None:
    async def one() -> tuple[str, float]:
        began = time.monotonic()
        return (await plane.open_session())["room_name"], time.monotonic() - began

    done = await asyncio.gather(*(one() for _ in range(40)))
    assert len({room for room, _ in done}) == 40


async def test_twenty_requests_at_once_for_one_room_get_one_room(plane: ControlPlane) -> None:
    sessions = await asyncio.gather(
        *(plane.open_session(role="owner", business_id="b1", user_identity="u") for _ in range(20))
    )
    assert len({session["room_name"] for session in sessions}) == 1
    assert len({session["participant_identity"] for session in sessions}) == 20


async def test_nothing_secret_reaches_the_log(plane: ControlPlane) -> None:
    session = await plane.open_session()
    written = await asyncio.to_thread(plane.settings.reconnect_log.read_text)
    assert "session.open" in written
    for secret in (session["resume_secret"], session["participant_token"], plane.settings.livekit_api_secret):
        assert secret not in written
