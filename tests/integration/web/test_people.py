"""People over HTTP: who is recognised again and by what, and what each caller gets to see."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from sqlalchemy import update

from tests.support.control_plane import ControlPlane, control_plane
from tests.support.letta_directory import LettaDirectoryServer
from voice_agent.contracts import MemoryScope
from voice_agent.memory.access import continuity_key
from voice_agent.memory.model import Turn
from voice_agent.memory.outbox import Outbox
from voice_agent.registry.people import People
from voice_agent.registry.store import SqlPeopleStore
from voice_agent.registry.tables import sessions
from voice_agent.rooms.repository import RoomRecord, RoomRepository
from voice_agent.settings import Settings
from voice_agent.storage import Database

ADMIN = "an-admin-secret-for-tests"
VOUCHER = "a-secret-shared-with-another-site-for-tests"


OTHERS_MAY_CALL = {"admin_secret": ADMIN, "assertion_secret": VOUCHER, "sessions_per_minute": 60}


@pytest.fixture
async def public(control_settings: Settings, letta: LettaDirectoryServer) -> AsyncIterator[ControlPlane]:
    """An installation that others can call, too."""
    async with control_plane(control_settings.model_copy(update=OTHERS_MAY_CALL)) as plane:
        yield plane


@pytest.fixture(params=[OTHERS_MAY_CALL, {}], ids=["public", "this machine only"])
async def anywhere(
    request: pytest.FixtureRequest, control_settings: Settings, letta: LettaDirectoryServer
) -> AsyncIterator[ControlPlane]:
    async with control_plane(control_settings.model_copy(update=request.param)) as plane:
        yield plane


@pytest.fixture
async def database(control_settings: Settings) -> AsyncIterator[Database]:
    opened = Database(control_settings.effective_database_url)
    yield opened
    await opened.close()


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def vouched(user: str, **more: Any) -> dict[str, str]:
    claims = {"sub": user, "role": "customer", "exp": time.time() + 60} | more
    return {"X-Voice-Assertion": jwt.encode(claims, VOUCHER, algorithm="HS256")}


async def opened(plane: ControlPlane, headers: dict[str, str] | None = None, **body: Any) -> dict[str, Any]:
    answer = await plane.http.post("/session", json={"agent_id": "agent-1", **body}, headers=headers)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return dict(answer.json())


def in_token(plane: ControlPlane, token: str) -> str:
    decoded = jwt.decode(token, plane.settings.livekit_api_secret, algorithms=["HS256"])
    return str(decoded["attributes"]["va.person_id"])


async def room_of(database: Database, session: dict[str, Any]) -> RoomRecord:
    record = await RoomRepository(database, time.time).get(session["room_name"])
    assert record is not None
    return record


async def test_a_browser_is_met_again_in_a_new_session_and_others_are_others(
    public: ControlPlane, database: Database
) -> None:
    first = await opened(public)
    assert first["person"]["kind"] == "browser"
    assert first["notice"] is None
    again = await opened(public, browser_key=first["browser_key"])
    assert again["session_id"] != first["session_id"]
    assert again["person"] == first["person"]
    assert again["browser_key"] is None, "a key that works is not replaced"
    other = await opened(public)
    assert other["person"] != first["person"]
    assert other["browser_key"] != first["browser_key"]
    assert in_token(public, again["participant_token"]) == first["person"]["id"]
    job = (await room_of(database, again)).job
    assert (job.person_id, job.agent.memory_scope) == (first["person"]["id"], MemoryScope.PERSONAL)


async def test_a_resumed_session_keeps_its_person(public: ControlPlane) -> None:
    first, other = await opened(public), await opened(public)
    known = {"session_id": first["session_id"], "resume_secret": first["resume_secret"]}
    for key in (None, other["browser_key"], "unknown"):
        back = await opened(public, **known, browser_key=key)
        assert (back["resumed"], back["person"], back["browser_key"]) == (True, first["person"], None)
        assert in_token(public, back["participant_token"]) == first["person"]["id"]
    url, who = f"/session/{first['session_id']}", bearer(first["resume_secret"])
    assert (await public.http.get(url, headers=who)).json()["person"] == first["person"]
    renewed = (await public.http.post(f"{url}/token", headers=who)).json()
    assert in_token(public, renewed["participant_token"]) == first["person"]["id"]


@pytest.mark.parametrize("key", ["unknown", "\u00e9\u2028", "x" * 4096])
async def test_an_unknown_key_is_said_and_replaced(anywhere: ControlPlane, key: str) -> None:
    session = await opened(anywhere, browser_key=key)
    assert session["notice"]["code"] == "browser_key_unknown"
    assert session["person"]["kind"] == "browser"
    again = await opened(anywhere, browser_key=session["browser_key"])
    assert (again["person"], again["notice"]) == (session["person"], None)


async def test_a_key_that_is_no_text_is_a_malformed_request(public: ControlPlane) -> None:
    for body in ('{"browser_key": "\\ud800"}', '{"browser_key": 1}'):
        headers = {"Content-Type": "application/json"}
        assert (await public.http.post("/session", content=body, headers=headers)).status_code == 422


async def test_a_revoked_key_opens_nothing(public: ControlPlane, database: Database) -> None:
    first = await opened(public)
    assert await People(SqlPeopleStore(database), time.time).revoke(first["person"]["id"])
    after = await opened(public, browser_key=first["browser_key"])
    assert after["notice"]["code"] == "browser_key_unknown"
    assert after["person"] != first["person"]


async def test_who_a_site_vouches_for_is_that_user_whatever_key_comes_with_it(
    public: ControlPlane, database: Database
) -> None:
    browser = await opened(public)
    for key in (browser["browser_key"], "unknown", None):
        session = await opened(public, vouched("anna", business_id="b1"), browser_key=key)
        assert session["person"] == {"id": "user:b1:anna", "kind": "user"}
        assert (session["browser_key"], session["notice"]) == (None, None)
    job = (await room_of(database, session)).job
    assert (job.person_id, job.agent.memory_scope) == ("user:b1:anna", MemoryScope.PERSONAL)


async def test_a_user_of_two_businesses_is_two_people(public: ControlPlane, database: Database) -> None:
    sessions_ = [await opened(public, vouched("anna", business_id=business)) for business in ("b1", "b2")]
    assert [session["person"]["id"] for session in sessions_] == ["user:b1:anna", "user:b2:anna"]
    keys = {continuity_key((await room_of(database, session)).job) for session in sessions_}
    assert len(keys) == 2, "and has two conversations"
    split = await opened(public, vouched("b:anna"))
    joined = await opened(public, vouched("anna", business_id="b"))
    assert split["person"] != joined["person"]


async def test_a_user_is_one_by_an_administrators_word_only(public: ControlPlane) -> None:
    by_admin = await opened(public, bearer(ADMIN), user_identity="anna", business_id="b1")
    assert by_admin["person"]["id"] == "user:b1:anna"
    claimed = await opened(public, user_identity="anna", business_id="b1")
    assert claimed["person"]["kind"] == "browser"


async def test_a_shared_room_without_a_business_is_refused(public: ControlPlane) -> None:
    """Nothing says who belongs together there."""
    for headers in (vouched("anna", role="owner"), bearer(ADMIN)):
        answer = await public.http.post("/session", json={"agent_id": "agent-1", "role": "owner"}, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "business_required")
    anna, ben = [await opened(public, vouched(user, role="owner", business_id="b")) for user in ("anna", "ben")]
    assert anna["room_name"] == ben["room_name"]


async def test_on_this_machine_everybody_is_the_owner_unless_they_say_otherwise(
    plane: ControlPlane, database: Database
) -> None:
    first = await opened(plane, role="customer")
    for session in (first, await opened(plane, bearer("something"))):
        assert session["person"] == {"id": "owner", "kind": "owner"}
        assert session["browser_key"] is None, "nobody asked for one"
    assert (await room_of(database, first)).job.agent.memory_scope is MemoryScope.PERSONAL
    made = (await plane.http.post("/people")).json()
    assert (await opened(plane, browser_key=made["key"]))["person"]["id"] == made["person_id"]
    assert (await opened(plane, user_identity="anna"))["person"]["id"] == "user::anna"
    passed_on = await opened(plane, {"X-Forwarded-For": "203.0.113.7"})
    assert passed_on["person"]["kind"] == "browser", "what a proxy passes on does not come from this machine"


async def test_a_configuration_may_keep_nothing_of_anybody(plane: ControlPlane, database: Database) -> None:
    session = await opened(plane, agent_config={"memory_scope": "read_only"})
    assert (await room_of(database, session)).job.agent.memory_scope is MemoryScope.READ_ONLY


async def by_token_source(plane: ControlPlane, **attributes: str) -> str:
    about = {"agent_id": "agent-1", **attributes}
    answer = await plane.http.post("/token", json={"participant_attributes": about})
    assert answer.status_code == 201, answer.text
    return in_token(plane, answer.json()["participant_token"])


async def test_a_token_source_client_of_this_machine_is_the_owner(plane: ControlPlane) -> None:
    assert await by_token_source(plane) == "owner"


async def test_another_token_source_client_is_known_for_its_session(public: ControlPlane) -> None:
    alone = await by_token_source(public)
    assert alone.startswith("session:")
    assert alone != await by_token_source(public)


async def test_a_token_source_client_may_bring_a_key(anywhere: ControlPlane) -> None:
    made = (await anywhere.http.post("/people")).json()
    assert await by_token_source(anywhere, browser_key=made["key"]) == made["person_id"]
    assert (await by_token_source(anywhere, browser_key="unknown")).startswith("session:")


async def test_of_who_ends_with_the_session_nothing_is_kept(public: ControlPlane, database: Database) -> None:
    body = {"participant_attributes": {"agent_id": "agent-1"}}
    answer = (await public.http.post("/token", json=body)).json()
    assert (await room_of(database, answer)).job.agent.memory_scope is MemoryScope.READ_ONLY


async def test_a_session_of_an_earlier_version_gets_a_person_when_it_is_resumed(
    public: ControlPlane, database: Database
) -> None:
    first = await opened(public)
    async with database.begin() as connection:
        await connection.execute(update(sessions).values(person_id=""))
    record = await room_of(database, first)
    await RoomRepository(database, time.time).rebind(record.name, record.job.model_copy(update={"person_id": ""}))
    url, who = f"/session/{first['session_id']}", bearer(first["resume_secret"])
    assert (await public.http.get(url, headers=who)).json()["person"]["kind"] == "session"
    known = {"session_id": first["session_id"], "resume_secret": first["resume_secret"]}
    back = await opened(public, **known, browser_key=first["browser_key"])
    assert (back["resumed"], back["person"]) == (True, first["person"])
    assert (await opened(public, **known))["person"] == first["person"]
    assert (await room_of(database, back)).job.person_id == first["person"]["id"], "nor is its next agent the owner's"


async def test_who_hears_what_is_said_by_the_assistants_configuration_alone(
    public: ControlPlane, database: Database
) -> None:
    told = {"menu": "everyone", "desk": "known"}
    body = {"name": "A", "letta_agent_id": "agent-1", "config": {"audience": told}}
    saved = await public.http.post("/agents", json=body, headers=bearer(ADMIN))
    assert saved.json()["config"]["audience"] == told
    agent = saved.json()["id"]
    session = await opened(public, agent_id=agent)
    assert (await room_of(database, session)).job.agent.audience == told
    wish = {"agent_id": agent, "agent_config": {"audience": {"diary": "everyone"}}}
    assert (await public.http.post("/session", json=wish)).status_code == 403
    for wrong in ({"human": "everyone"}, {"facts": "known"}, {"menu": "friends"}):
        refused = await public.http.post("/agents", json=body | {"config": {"audience": wrong}}, headers=bearer(ADMIN))
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "bad_request"), wrong


async def test_in_a_shared_room_a_transcript_shows_what_oneself_said(public: ControlPlane, database: Database) -> None:
    """All turns of a room stand under the session of who came first."""
    anna, ben = [await opened(public, vouched(user, role="owner", business_id="b1")) for user in ("anna", "ben")]
    assert anna["room_name"] == ben["room_name"]
    outbox = Outbox(database)
    for number, (person, words) in enumerate({"user:b1:anna": "I sell in May.", "user:b1:ben": "I am ill."}.items()):
        turn = Turn(f"t{number}", "thread", anna["session_id"], "agent-1", 1, words, person_id=person)
        await outbox.open_turn(turn)
        await outbox.finish_turn(turn.turn_id, f"I see: {words}", interrupted=False)
    url = f"/session/{anna['session_id']}/transcript"
    hers = (await public.http.get(url, headers=bearer(anna["resume_secret"]))).text
    assert ("I sell in May" in hers, "I am ill" in hers) == (True, False)
    text = (await public.http.get(url, params={"format": "text"}, headers=bearer(anna["resume_secret"]))).text
    assert "I am ill" not in text
    assert "I am ill" in (await public.http.get(url, headers=bearer(ADMIN))).text


async def test_a_person_can_be_made_before_the_first_session(public: ControlPlane) -> None:
    answer = await public.http.post("/people")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    made = answer.json()
    assert set(made) == {"person_id", "key"}
    assert (await opened(public, browser_key=made["key"]))["person"]["id"] == made["person_id"]
    answers = [await public.http.post("/people") for _ in range(70)]
    assert answers[-1].status_code == 429, "as many as sessions, and no more"


async def test_a_key_is_in_no_log_and_no_other_answer(public: ControlPlane) -> None:
    made = (await public.http.post("/people")).json()
    issued = await opened(public)
    await opened(public, browser_key=made["key"])
    written = await asyncio.to_thread(public.settings.reconnect_log.read_text)
    assert "person.create" in written
    listed = (await public.http.get("/sessions", headers=bearer(ADMIN))).text
    assert made["person_id"] in listed
    stored = await asyncio.to_thread((public.settings.home / "voice.db").read_bytes)
    stored += await asyncio.to_thread((public.settings.home / "voice.db-wal").read_bytes)
    for key in (made["key"], issued["browser_key"]):
        assert key not in written
        assert key not in listed
        assert key.encode() not in stored
