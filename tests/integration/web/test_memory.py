"""Memory routes: who may read, correct and forget the facts about a person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.control_plane import ControlPlane, control_plane
from tests.support.letta_directory import LettaDirectoryServer
from voice_agent.memory.facts.fact import Fact, FactState
from voice_agent.memory.facts.store import FactStore
from voice_agent.settings import Settings
from voice_agent.storage import Database

ADMIN = "an-admin-secret-for-tests"
BEGAN = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
async def public(control_settings: Settings, letta: LettaDirectoryServer) -> AsyncIterator[ControlPlane]:
    """An installation that others can call, too."""
    others_may_call = {"admin_secret": ADMIN, "sessions_per_minute": 60}
    async with control_plane(control_settings.model_copy(update=others_may_call)) as plane:
        yield plane


@pytest.fixture
async def store(control_settings: Settings) -> AsyncIterator[FactStore]:
    opened = Database(control_settings.effective_database_url)
    yield FactStore(opened)
    await opened.close()


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"} if secret else {}


def fact(number: int, person: str, text: str, agent: str = "agent-1", **more: Any) -> Fact:
    return Fact(f"t{number}-0", agent, person, text, BEGAN + timedelta(days=number), turn_id=f"t{number}", **more)


async def memory(plane: ControlPlane, person: str, secret: str = "", **query: str) -> dict[str, Any]:
    answer = await plane.http.get(f"/people/{person}/memory", params=query, headers=bearer(secret))
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return dict(answer.json())


def texts(answer: dict[str, Any]) -> list[str]:
    return [one["text"] for one in answer["facts"]]


async def test_the_facts_of_a_person_are_shown_newest_first(plane: ControlPlane, store: FactStore) -> None:
    await store.add(fact(1, "owner", "The user has a cat.", session_id="s1"))
    await store.add(fact(2, "owner", "The user's cat is named Pepper.", replaces="t1-0"))
    await store.add(fact(3, "owner", "The user rides a bicycle."))
    await store.add(fact(4, "owner", "The user sails.", agent="agent-2"))
    await store.add(fact(5, "browser:x", "The user sings."))
    shown = await memory(plane, "owner", agent_id="agent-1")
    assert shown["facts"][1] == {
        "fact_id": "t2-0",
        "agent_id": "agent-1",
        "text": "The user's cat is named Pepper.",
        "said_at": "2026-11-04T09:00:00Z",
        "session_id": "",
        "source": "said",
        "replaces": "t1-0",
    }
    assert texts(shown) == ["The user rides a bicycle.", "The user's cat is named Pepper."]
    assert {key: shown[key] for key in ("person_id", "pending", "parked", "archive_pending")} == {
        "person_id": "owner",
        "pending": 0,
        "parked": 0,
        "archive_pending": 2,
    }
    assert texts(await memory(plane, "me")) == [
        "The user sails.",
        "The user rides a bicycle.",
        "The user's cat is named Pepper.",
    ]


async def test_a_saved_agent_has_the_memory_of_its_letta_agent(
    plane: ControlPlane, store: FactStore, letta: LettaDirectoryServer
) -> None:
    made = (await plane.http.post("/agents", json={"name": "Marlow", "letta_agent_id": "agent-2"})).json()
    await store.add(fact(1, "owner", "The user sails.", agent="agent-2"))
    letta.away = True
    for agent_id in (made["id"], "agent-2"):
        assert texts(await memory(plane, "owner", agent_id=agent_id)) == ["The user sails."]
    assert (await plane.http.get("/people/owner/memory?agent_id=va-unknown")).status_code == 404


async def asked(plane: ControlPlane, method: str, path: str, secret: str) -> int:
    body = {"text": "The user whistles."} if method == "PUT" else None
    answer = await plane.http.request(method, f"/people/{path}", headers=bearer(secret), json=body)
    assert "The user sings" not in answer.text or answer.status_code == 200
    return answer.status_code


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_who_may(public: ControlPlane, store: FactStore, method: str) -> None:
    anna, ben = [(await public.http.post("/people")).json() for _ in range(2)]
    sessions = [await public.open_session(browser_key=person["key"]) for person in (anna, ben)]
    ended = await public.open_session(browser_key=anna["key"])
    await public.http.delete(f"/session/{ended['session_id']}", headers=bearer(ended["resume_secret"]))
    her = anna["person_id"]
    table = [
        ("no bearer", "", her, 401),
        ("no bearer, me", "", "me", 401),
        ("unknown bearer", "unknown", her, 401),
        ("unknown bearer, me", "unknown", "me", 401),
        ("the key of another", ben["key"], her, 404),
        ("the session of another", sessions[1]["resume_secret"], her, 404),
        ("a session that is over", ended["resume_secret"], "me", 410),
        ("an administrator has no memory of their own", ADMIN, "me", 404),
        ("her key", anna["key"], her, 200),
        ("her key, me", anna["key"], "me", 200),
        ("her session", sessions[0]["resume_secret"], her, 200),
        ("her session, me", sessions[0]["resume_secret"], "me", 200),
        ("an administrator", ADMIN, her, 200),
    ]
    for number, (who, secret, person, expected) in enumerate(table):
        await store.add(fact(number, her, "The user sings."))
        path = f"{person}/memory" + ("" if method == "GET" else f"/t{number}-0")
        expected = 204 if (method, expected) == ("DELETE", 200) else expected
        assert await asked(public, method, path, secret) == expected, who
        changed = method != "GET" and expected < 300
        kept = await store.get(f"t{number}-0")
        assert kept is not None
        assert (kept.state is FactState.KNOWN) is not changed, who


async def test_all_of_another_is_not_forgotten_with_a_key_of_ones_own(public: ControlPlane, store: FactStore) -> None:
    anna, ben = [(await public.http.post("/people")).json() for _ in range(2)]
    await store.add(fact(1, anna["person_id"], "The user sings."))
    await store.add(fact(2, ben["person_id"], "The user dances."))
    assert await asked(public, "DELETE", f"{anna['person_id']}/memory", ben["key"]) == 404
    assert await asked(public, "DELETE", f"{anna['person_id']}/memory", "") == 401
    # A fact id is no way to another person's facts either.
    for method in ("PUT", "DELETE"):
        assert await asked(public, method, "me/memory/t1-0", ben["key"]) == 404
    assert texts(await memory(public, anna["person_id"], ADMIN)) == ["The user sings."]


async def test_what_a_proxy_passes_on_is_no_administrator(plane: ControlPlane, store: FactStore) -> None:
    await store.add(fact(1, "owner", "The user sings."))
    passed_on = {"X-Forwarded-For": "203.0.113.7"}
    for person in ("owner", "me"):
        assert (await plane.http.get(f"/people/{person}/memory", headers=passed_on)).status_code == 401


async def test_forgetting_one_and_all(plane: ControlPlane, store: FactStore) -> None:
    for number in range(1, 4):
        await store.add(fact(number, "owner", f"The user has {number} cats."))
    await store.add(fact(4, "owner", "The user sails.", agent="agent-2"))
    await store.add(fact(5, "browser:x", "The user sings."))
    assert await asked(plane, "DELETE", "owner/memory/t1-0", "") == 204
    assert await asked(plane, "DELETE", "owner/memory/t1-0", "") == 404
    assert len(texts(await memory(plane, "owner"))) == 3
    answer = await plane.http.delete("/people/me/memory", params={"agent_id": "agent-1"})
    assert (answer.status_code, answer.json()["forgotten"] >= 2) == (200, True)
    assert texts(await memory(plane, "owner")) == ["The user sails."]
    await plane.http.delete("/people/me/memory")
    assert texts(await memory(plane, "owner")) == []
    assert texts(await memory(plane, "browser:x")) == ["The user sings."]


async def test_a_correction_replaces_the_fact(plane: ControlPlane, store: FactStore) -> None:
    await store.add(fact(1, "owner", "The user has a dog.", session_id="s1"))
    put = await plane.http.put("/people/me/memory/t1-0", json={"text": " The user has a cat. "})
    assert put.status_code == 200, put.text
    assert (put.json()["text"], put.json()["replaces"], put.json()["source"]) == ("The user has a cat.", "t1-0", "said")
    assert texts(await memory(plane, "owner")) == ["The user has a cat."]
    old = await store.get("t1-0")
    assert old is not None
    assert old.state is FactState.REPLACED
    again = await plane.http.put("/people/me/memory/t1-0", json={"text": "The user has a fish."})
    assert again.status_code == 409, "the newer fact counts"
    for text in ("", "  ", "x" * 201, "two\nlines"):
        refused = await plane.http.put(f"/people/me/memory/{put.json()['fact_id']}", json={"text": text})
        assert refused.status_code == 422, text
    written = await asyncio.to_thread(plane.settings.reconnect_log.read_text)
    assert "memory.correct" in written
    assert "cat" not in written.replace("application", "")


async def test_metrics_count_facts_and_what_is_not_learned(plane: ControlPlane, store: FactStore) -> None:
    await store.add(fact(1, "owner", "The user sings."))
    await store.add(fact(2, "browser:x", "The user dances."))
    shown = (await plane.http.get("/metrics")).text.splitlines()
    assert "voice_agent_memory_facts 2.0" in shown
    assert "voice_agent_memory_learning_pending 0.0" in shown
    assert "voice_agent_memory_learning_parked 0.0" in shown
