"""A person over HTTP: their name, the revocation of their key, export and deletion."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.control_plane import ControlPlane, control_plane, eventually, visitor
from tests.support.database_text import all_text
from tests.support.eventually import PATIENCE
from tests.support.letta_directory import LettaDirectoryServer
from voice_agent.contracts import RoomPolicy
from voice_agent.memory.facts.fact import Fact
from voice_agent.memory.facts.store import FactStore
from voice_agent.memory.model import Turn
from voice_agent.memory.outbox import Outbox
from voice_agent.rooms.repository import RoomRepository
from voice_agent.settings import Settings
from voice_agent.storage import Database
from voice_agent.web import people

ADMIN = "an-admin-secret-for-tests"
OTHERS_MAY_CALL = {"admin_secret": ADMIN, "sessions_per_minute": 60}
NOON = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


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


async def named(plane: ControlPlane, name: Any, secret: str = "", person: str = "me") -> Any:
    return await plane.http.put(f"/people/{person}", json={"user_name": name}, headers=bearer(secret))


async def tells(database: Database, session: dict[str, Any], words: str) -> None:
    of_session = session["session_id"]
    person, agent = session["person"]["id"], session["agent"]["letta_agent_id"]
    thread = f"{session['agent']['id']}/session:{of_session}"
    turn = Turn(f"t-{of_session}", thread, of_session, agent, 1, words, speaker="Anna", person_id=person)
    await Outbox(database).open_turn(turn)
    await Outbox(database).finish_turn(turn.turn_id, "I see.", interrupted=False)


# --- the name ---


async def test_a_name_is_kept_with_the_person_and_used_in_every_later_session(
    public: ControlPlane, database: Database
) -> None:
    session = await public.open_session()
    key = session["browser_key"]
    answer = await named(public, "  Anna   Maria ", key)
    assert answer.json() == {
        "person_id": session["person"]["id"],
        "kind": "browser",
        "user_name": "Anna Maria",
        "has_key": True,
        "deletion_pending": False,
    }
    assert (await public.http.get("/people/me", headers=bearer(key))).json() == answer.json()
    later = await public.open_session(agent_id="agent-2", browser_key=key)
    record = await RoomRepository(database, lambda: 0.0).get(later["room_name"])
    assert record is not None
    assert record.job.user_name == "Anna Maria"
    listed = (await public.http.get("/sessions", headers=bearer(ADMIN))).json()["sessions"]
    assert {one["user_name"] for one in listed} == {"Anna Maria"}, "also where they are now"
    known = {"session_id": session["session_id"], "resume_secret": session["resume_secret"]}
    await public.open_session(**known)
    resumed = await RoomRepository(database, lambda: 0.0).get(session["room_name"])
    assert resumed is not None
    assert resumed.job.user_name == "Anna Maria"
    assert (await public.open_session(browser_key=key, user_name="Nan"))["person"] == session["person"]
    assert (await named(public, "", key)).json()["user_name"] == ""


async def test_a_name_follows_the_rules_of_names(plane: ControlPlane) -> None:
    for wrong in ("a\nb", "x" * 61, "<b>", 1, None):
        answer = await named(plane, wrong)
        assert answer.status_code == 422, wrong
    assert (await named(plane, "Anna")).json()["person_id"] == "owner"


async def test_nobody_names_or_deletes_another(public: ControlPlane) -> None:
    anna, ben = [(await public.http.post("/people")).json() for _ in range(2)]
    her = anna["person_id"]
    for method, path in (("PUT", ""), ("GET", ""), ("DELETE", ""), ("GET", "/export"), ("DELETE", "/key")):
        body = {"user_name": "Ben"} if method == "PUT" else None
        for secret, expected in ((ben["key"], 404), ("", 401), ("unknown", 401)):
            answer = await public.http.request(method, f"/people/{her}{path}", json=body, headers=bearer(secret))
            assert (answer.status_code, answer.headers["Cache-Control"]) == (expected, "no-store"), (method, path)
    assert (await public.http.get("/people/me", headers=bearer(anna["key"]))).json()["user_name"] == ""


# --- the key ---


async def test_a_revoked_key_opens_nothing_and_its_sessions_are_over(public: ControlPlane) -> None:
    session = await public.open_session()
    key = session["browser_key"]
    async with visitor(session):
        assert (await public.http.delete("/people/me/key", headers=bearer(key))).status_code == 204

        async def gone() -> bool | None:
            return not await public.livekit.participants(session["room_name"]) or None

        await eventually(gone, PATIENCE, "the caller to be removed")
    assert (await public.http.get("/people/me", headers=bearer(key))).status_code == 401
    assert (await public.http.get("/people/me", headers=bearer(session["resume_secret"]))).status_code == 410
    again = await public.open_session(browser_key=key)
    assert again["notice"]["code"] == "browser_key_unknown"
    missing = await public.http.delete(f"/people/{session['person']['id']}/key", headers=bearer(ADMIN))
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")


# --- export ---


async def test_an_export_has_everything_of_one_person(public: ControlPlane, database: Database) -> None:
    first = await public.open_session()
    key, person = first["browser_key"], first["person"]["id"]
    second = await public.open_session(agent_id="agent-2", browser_key=key)
    other = await public.open_session()
    await named(public, "Anna", key)
    await tells(database, first, "My canary is called Zerlina.")
    await tells(database, other, "I own a lighthouse.")
    known = Fact("f1", "agent-1", person, "The user's canary is called Zerlina.", NOON, session_id=first["session_id"])
    await FactStore(database).add(known)
    answer = await public.http.get("/people/me/export", headers=bearer(key))
    assert answer.headers["Content-Disposition"] == 'attachment; filename="voice-agent-export.json"'
    export = answer.json()
    assert export["person"]["user_name"] == "Anna"
    assert [one["agent"] for one in export["sessions"]] == ["Ada", "Bert"]
    assert {one["session_id"] for one in export["sessions"]} == {first["session_id"], second["session_id"]}
    said = export["sessions"][0]["turns"][0]
    assert (said["said"], said["answer"]) == ("My canary is called Zerlina.", "I see.")
    assert export["facts"] == [
        {
            "fact_id": "f1",
            "agent": "Ada",
            "text": "The user's canary is called Zerlina.",
            "said_at": "2026-11-02T09:00:00Z",
            "session_id": first["session_id"],
            "said": "",
            "source": "said",
            "replaced": False,
        }
    ]
    assert "lighthouse" not in answer.text
    for secret in (key, first["resume_secret"], ADMIN):
        assert secret not in answer.text
    text = await public.http.get("/people/me/export", params={"format": "text"}, headers=bearer(key))
    for expected in ("What is kept about Anna", "The user's canary is called Zerlina. (Ada, 2026-11-02", "Ada: I see."):
        assert expected in text.text
    assert text.headers["Content-Type"].startswith("text/plain")


async def test_an_administrator_exports_who_is_known(public: ControlPlane) -> None:
    made = (await public.http.post("/people")).json()
    assert (await public.http.get(f"/people/{made['person_id']}/export", headers=bearer(ADMIN))).status_code == 200
    for nobody in ("browser:nobody", "user:b:nobody", "something", "session:x"):
        for method, path in (("GET", "/export"), ("DELETE", "")):
            answer = await public.http.request(method, f"/people/{nobody}{path}", headers=bearer(ADMIN))
            assert answer.status_code == 404, nobody


# --- deletion ---


async def test_a_call_is_ended_and_everything_is_deleted(public: ControlPlane, database: Database) -> None:
    session = await public.open_session()
    key, person = session["browser_key"], session["person"]["id"]
    await named(public, "Quintilla", key)
    await tells(database, session, "My canary is called Zerlina.")
    async with visitor(session):
        answer = await public.http.delete("/people/me", headers=bearer(key))
        assert answer.status_code == 200, answer.text
        assert await public.livekit.participants(session["room_name"]) == []
    assert (answer.json()["person_id"], answer.json()["state"], answer.json()["kept"]) == (person, "done", [])
    rows = await all_text(database)
    for words in ("Zerlina", "Quintilla", person):
        assert words not in rows
    assert (await public.http.get("/people/me", headers=bearer(key))).status_code == 401
    again = await public.open_session(
        browser_key=key, session_id=session["session_id"], resume_secret=session["resume_secret"]
    )
    assert again["person"]["id"] != person
    files = await asyncio.to_thread(lambda: b"".join(p.read_bytes() for p in public.settings.home.glob("voice.db*")))
    assert b"Zerlina" not in files


async def test_while_letta_is_away_it_is_said_and_finished_later(
    public: ControlPlane, database: Database, letta: LettaDirectoryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, path = bearer(ADMIN), "/people/user:b1:anna"
    body = {"name": "Marlow", "letta_agent_id": "agent-1"}
    saved = (await public.http.post("/agents", json=body, headers=admin)).json()["id"]
    who = {"agent_id": saved, "user_identity": "anna", "business_id": "b1"}
    session = (await public.http.post("/session", json=who, headers=admin)).json()
    await tells(database, session, "My canary is called Zerlina.")
    letta.away = True
    monkeypatch.setattr(people, "DELETED_WITHIN", 4.0)
    answer = await public.http.delete(path, headers=admin)
    assert (answer.status_code, answer.json()["state"]) == (202, "pending")
    assert "Letta" in answer.json()["message"]
    assert "Zerlina" not in await all_text(database)
    assert (await public.http.get(path, headers=admin)).json()["deletion_pending"]
    refused = await public.http.post("/session", json=who, headers=admin)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "deletion_pending")
    assert (await named(public, "Anna", ADMIN, "user:b1:anna")).status_code == 503
    letta.away = False

    async def over() -> bool | None:
        return not (await public.http.get(path, headers=admin)).json()["deletion_pending"] or None

    await eventually(over, PATIENCE, "the deletion to be finished")
    assert (await public.http.post("/session", json=who, headers=admin)).status_code == 201


async def test_the_owner_is_told_which_blocks_stay(
    plane: ControlPlane, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "DELETED_WITHIN", 0.0)
    await plane.open_session()
    await FactStore(database).add(Fact("f1", "agent-1", "owner", "The user sails.", NOON))
    answer = (await plane.http.delete("/people/owner")).json()
    assert answer["kept"] == [{"agent_id": "agent-1", "labels": ["human"]}]


async def test_the_room_of_a_deleted_person_opens_to_nobody(public: ControlPlane, database: Database) -> None:
    session = await public.open_session()
    await public.http.delete("/people/me", headers=bearer(session["browser_key"]))
    record = await RoomRepository(database, lambda: 0.0).get(session["room_name"])
    assert record is not None
    assert (record.policy, record.job.person_id) == (RoomPolicy.SESSION, "")
    assert session["room_name"] not in await RoomRepository(database, lambda: 0.0).open_names()
