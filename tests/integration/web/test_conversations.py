"""Conversation routes: who may list, read, delete and continue a person's conversations."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest

from tests.support.control_plane import ControlPlane, control_plane
from tests.support.letta_directory import LettaDirectoryServer
from voice_agent.contracts import JobMetadata
from voice_agent.memory.access import Memory
from voice_agent.memory.audience import Listener
from voice_agent.memory.facts.fact import Fact
from voice_agent.memory.facts.store import FactStore
from voice_agent.memory.letta import LettaClient
from voice_agent.memory.model import Turn
from voice_agent.memory.outbox import Outbox
from voice_agent.rooms.repository import RoomRepository
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


@pytest.fixture
async def database(control_settings: Settings) -> AsyncIterator[Database]:
    opened = Database(control_settings.effective_database_url)
    yield opened
    await opened.close()


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"} if secret else {}


def vouched(user: str, **more: Any) -> dict[str, str]:
    claims = {"sub": user, "role": "customer", "exp": time.time() + 60} | more
    return {"X-Voice-Assertion": jwt.encode(claims, VOUCHER, algorithm="HS256")}


async def opened(plane: ControlPlane, headers: dict[str, str] | None = None, **body: Any) -> dict[str, Any]:
    answer = await plane.http.post("/session", json={"agent_id": "agent-1", **body}, headers=headers)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def said(database: Database, session: dict[str, Any], *lines: str, agent: str = "agent-1") -> None:
    """The session's person says these, each answered."""
    outbox = Outbox(database)
    for number, words in enumerate(lines):
        turn_id = f"{session['session_id']}-{agent}-{number}"
        thread = f"{agent}/session:{session['session_id']}"
        person = session["person"]["id"]
        await outbox.open_turn(Turn(turn_id, thread, session["session_id"], agent, 1, words, person_id=person))
        await outbox.finish_turn(turn_id, f"I heard: {words}", interrupted=False)


async def listed(plane: ControlPlane, secret: str = "", person: str = "me", **query: Any) -> list[dict[str, Any]]:
    answer = await plane.http.get(f"/people/{person}/conversations", params=query, headers=bearer(secret))
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return list(answer.json()["conversations"])


async def job_of(database: Database, session: dict[str, Any]) -> JobMetadata:
    record = await RoomRepository(database, time.time).get(session["room_name"])
    assert record is not None
    return record.job


# --- list, read ---


async def test_everybody_has_their_own(public: ControlPlane, database: Database) -> None:
    anna, ben = await opened(public), await opened(public)
    await said(database, anna, "My dog is called Biscuit.", "It is brown.")
    await said(database, ben, "I sail.")
    silent = await opened(public, browser_key=anna["browser_key"])
    for secret in (anna["browser_key"], anna["resume_secret"], silent["resume_secret"]):
        (one,) = await listed(public, secret)
        assert one["session_id"] == anna["session_id"], "a session in which nothing was said is not listed"
        assert one["agent"] == {"id": "agent-1", "name": "Ada", "letta_agent_id": "agent-1"}
        assert (one["turns"], one["first_words"], one["resumable"]) == (2, "My dog is called Biscuit.", True)
    assert [one["first_words"] for one in await listed(public, ben["browser_key"])] == ["I sail."]
    her = anna["person"]["id"]
    assert len(await listed(public, ADMIN, her)) == 1
    for secret, person, expected in (
        ("", "me", 401),
        ("unknown", "me", 401),
        (ben["browser_key"], her, 404),
        (ben["resume_secret"], her, 404),
        (ADMIN, "me", 404),
    ):
        for method, path in (("GET", ""), ("GET", f"/{anna['session_id']}"), ("DELETE", f"/{anna['session_id']}")):
            url = f"/people/{person}/conversations{path}"
            answer = await public.http.request(method, url, headers=bearer(secret))
            assert answer.status_code == expected, (secret, method, path)
    for method in ("GET", "DELETE"):
        url = f"/people/me/conversations/{anna['session_id']}"
        answer = await public.http.request(method, url, headers=bearer(ben["browser_key"]))
        assert (answer.status_code, "Biscuit" in answer.text) == (404, False), "an id is no way to another's words"
    assert len(await listed(public, anna["browser_key"])) == 1


async def test_on_this_machine_the_list_is_the_owners(plane: ControlPlane, database: Database) -> None:
    await said(database, await opened(plane), "I sail.")
    assert [one["first_words"] for one in await listed(plane)] == ["I sail."]
    assert len(await listed(plane, person="owner")) == 1
    from_elsewhere = {"X-Forwarded-For": "203.0.113.7"}
    assert (await plane.http.get("/people/me/conversations", headers=from_elsewhere)).status_code == 401


async def test_pages_and_search(plane: ControlPlane, database: Database) -> None:
    for number in range(5):
        await said(database, await opened(plane), f"Number {number}.")
    seen: list[str] = []
    before: int | None = None
    while True:
        query = {"limit": 2} | ({"before": before} if before else {})
        answer = (await plane.http.get("/people/me/conversations", params=query)).json()
        seen += [one["first_words"] for one in answer["conversations"]]
        if (before := answer["next"]) is None:
            break
    assert seen == [f"Number {number}." for number in (4, 3, 2, 1, 0)]
    (found,) = await listed(plane, q="heard number 3")
    assert (found["first_words"], found["found"]) == ("Number 3.", "Number 3.")
    assert await listed(plane, q="nothing of the kind") == []
    for wrong in ({"q": "x" * 201}, {"q": "a\x00b"}, {"limit": 101}, {"limit": 0}, {"before": 2**40}):
        assert (await plane.http.get("/people/me/conversations", params=wrong)).status_code == 422, wrong


async def test_read_as_json_and_as_text(plane: ControlPlane, database: Database) -> None:
    session = await opened(plane)
    await said(database, session, "I sail.")
    url = f"/people/me/conversations/{session['session_id']}"
    answer = await plane.http.get(url)
    assert answer.headers["Cache-Control"] == "no-store"
    read = answer.json()
    assert read["conversation"]["session_id"] == session["session_id"]
    assert [(m["role"], m["speaker"], m["text"]) for m in read["messages"]] == [
        ("user", "", "I sail."),
        ("assistant", "Ada", "I heard: I sail."),
    ]
    assert datetime.fromisoformat(read["messages"][0]["said_at"]).tzinfo is not None
    text = await plane.http.get(url, params={"format": "text"})
    assert (text.headers["content-type"][:10], text.text) == ("text/plain", "user: I sail.\nAda: I heard: I sail.\n")
    assert (await plane.http.get("/people/me/conversations/unknown")).status_code == 404


# --- delete ---


async def test_a_deleted_conversation_is_gone_with_its_facts_and_its_session(
    public: ControlPlane, database: Database
) -> None:
    anna = await opened(public)
    await said(database, anna, "My dog is called Biscuit.")
    turn = (await Outbox(database).of_session(anna["session_id"]))[0]
    told = Fact(
        "f1", "agent-1", turn.person_id, "The user's dog is named Biscuit.", datetime.now(UTC), turn_id=turn.turn_id
    )
    await FactStore(database).add(told)
    url, who = f"/people/me/conversations/{anna['session_id']}", bearer(anna["browser_key"])
    answer = await public.http.delete(url, headers=who)
    assert (answer.status_code, answer.json()) == (200, {"turns": 1, "facts_forgotten": 1})
    assert (await public.http.delete(url, headers=who)).status_code == 404
    assert (await public.http.get(url, headers=who)).status_code == 404
    assert await listed(public, anna["browser_key"]) == []
    assert (await public.http.get("/people/me/memory", headers=who)).json()["facts"] == []
    transcript = f"/session/{anna['session_id']}/transcript"
    assert (await public.http.get(transcript, headers=bearer(anna["resume_secret"]))).json()["messages"] == []
    assert (await public.http.get(f"/session/{anna['session_id']}", headers=bearer(ADMIN))).json()["ended"]
    again = await opened(public, session_id=anna["session_id"], browser_key=anna["browser_key"])
    assert not again["resumed"], "and no call goes on in it"
    written = await asyncio.to_thread(public.settings.reconnect_log.read_text)
    assert "conversation.delete" in written
    assert "Biscuit" not in written


# --- continue ---


async def test_a_person_gets_back_into_their_session_without_its_secret(public: ControlPlane) -> None:
    first, other = await opened(public), await opened(public)
    assert not (await opened(public, session_id=first["session_id"], browser_key=other["browser_key"]))["resumed"]
    assert not (await opened(public, session_id=first["session_id"]))["resumed"]
    back = await opened(public, session_id=first["session_id"], browser_key=first["browser_key"])
    assert (back["resumed"], back["room_name"], back["person"]) == (True, first["room_name"], first["person"])
    assert back["participant_identity"] == first["participant_identity"], "so the one before leaves the room"
    url = f"/session/{first['session_id']}"
    assert (await public.http.get(url, headers=bearer(back["resume_secret"]))).status_code == 200
    assert (await public.http.get(url, headers=bearer(first["resume_secret"]))).status_code == 404, (
        "one secret at a time"
    )
    known = {"session_id": first["session_id"], "resume_secret": first["resume_secret"]}
    assert not (await opened(public, **known))["resumed"]
    taken_back = await opened(public, **known, browser_key=first["browser_key"])
    assert (taken_back["resumed"], taken_back["resume_secret"] != first["resume_secret"]) == (True, True)


async def test_the_owner_gets_back_into_their_session_from_this_machine_only(plane: ControlPlane) -> None:
    first = await opened(plane)
    elsewhere = {"X-Forwarded-For": "203.0.113.7"}
    assert not (await opened(plane, elsewhere, session_id=first["session_id"]))["resumed"]
    key = (await plane.http.post("/people")).json()["key"]
    assert not (await opened(plane, session_id=first["session_id"], browser_key=key))["resumed"], "that is another"
    assert not (await opened(plane, session_id=first["session_id"], browser_key="unknown"))["resumed"]
    assert (await opened(plane, session_id=first["session_id"]))["resumed"]


async def test_a_user_gets_back_by_an_assertion_alone(public: ControlPlane) -> None:
    first = await opened(public, vouched("anna", business_id="b1"))
    for other in (vouched("ben", business_id="b1"), vouched("anna", business_id="b2"), None):
        assert not (await opened(public, other, session_id=first["session_id"]))["resumed"]
    assert (await opened(public, vouched("anna", business_id="b1"), session_id=first["session_id"]))["resumed"]


async def test_who_is_known_for_a_session_only_needs_its_secret(public: ControlPlane) -> None:
    about = {"participant_attributes": {"agent_id": "agent-1"}}
    room = (await public.http.post("/token", json=about)).json()["room_name"]
    rooms = (await public.http.get("/rooms", headers=bearer(ADMIN))).json()["rooms"]
    session_id = next(one["session_id"] for one in rooms if one["name"] == room)
    assert not (await opened(public, session_id=session_id))["resumed"]


async def test_a_key_gives_no_more_rights_than_a_new_session_would_have(public: ControlPlane) -> None:
    """An administrator opened it as the role owner."""
    key = (await public.http.post("/people")).json()["key"]
    config = {"room_policy": "session"}
    first = await opened(public, bearer(ADMIN), role="owner", agent_config=config, browser_key=key)
    body = {"agent_id": "agent-1", "session_id": first["session_id"], "browser_key": key}
    answer = await public.http.post("/session", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
    known = await public.http.get(f"/session/{first['session_id']}", headers=bearer(first["resume_secret"]))
    assert known.status_code == 200, "and its secret is still the one"
    assert (await opened(public, resume_secret=first["resume_secret"], **body))["resumed"]


async def quoted(settings: Settings, database: Database, job: JobMetadata) -> list[str]:
    letta = LettaClient(settings)
    try:
        memory, thread = Memory(database, letta), f"{job.agent.agent_id}/session:{job.session_id}"
        listener = Listener.in_room(job, job.agent)
        turns = await memory.begin_episode(thread, job.agent.letta_agent_id, 1, listener, job.continues)
        return [turn.user_text for turn in turns]
    finally:
        await letta.close()


async def test_in_place_of_a_session_that_is_over_another_one_goes_on(public: ControlPlane, database: Database) -> None:
    first = await opened(public)
    key, session_id = first["browser_key"], first["session_id"]
    await said(database, first, *(f"Number {number}." for number in range(8)))
    await public.http.delete(f"/session/{session_id}", headers=bearer(first["resume_secret"]))
    again = await opened(public, session_id=session_id, browser_key=key)
    assert (again["resumed"], again["notice"]["code"]) == (False, "session_expired")
    job = await job_of(database, again)
    assert job.continues == session_id
    assert await quoted(public.settings, database, job) == [f"Number {number}." for number in range(2, 8)]
    await said(database, again, "Number 8.")

    stranger = await opened(public, session_id=session_id)
    assert (await job_of(database, stranger)).continues == "", "an id alone brings nobody's words"
    other = await opened(public, session_id=session_id, browser_key=key, agent_id="agent-2")
    assert (await job_of(database, other)).continues == "", "what one assistant heard is not told to another"
    by_secret = await opened(public, session_id=session_id, resume_secret=first["resume_secret"])
    assert (await job_of(database, by_secret)).continues == "", "by its secret alone it is the session's, not theirs"

    await public.http.delete(f"/people/me/conversations/{session_id}", headers=bearer(key))
    assert await quoted(public.settings, database, job) == [], "deleted words are not quoted"
