"""Agent routes: one namespace of saved agents and Letta's own."""

from __future__ import annotations

from typing import Any

import httpx

from tests.support.control_plane import ControlPlane, control_plane
from tests.support.letta_directory import LettaDirectoryServer
from voice_agent.settings import Settings

BODY: dict[str, Any] = {
    "name": "  Front\u00a0 desk ",
    "letta_agent_id": "agent-1",
    "config": {"greeting": "Hello {name}", "tools": ["weather", {"name": "weather", "unit": "C"}, "clock"]},
}


async def saved(plane: ControlPlane, **more: Any) -> httpx.Response:
    answer = await plane.http.post("/agents", json=BODY | more)
    assert answer.status_code == 201, answer.text
    return answer


async def test_a_saved_agent_is_normalised_and_listed_before_lettas(plane: ControlPlane) -> None:
    created = await saved(plane)
    agent = created.json()
    assert agent["name"] == "Front desk"
    assert agent["config"]["tools"] == [{"name": "weather", "unit": "C"}, {"name": "clock"}]
    assert created.headers["Location"] == f"/agents/{agent['id']}"
    assert (await plane.http.get(created.headers["Location"])).json() == agent
    listed = (await plane.http.get("/agents")).json()
    assert [a["id"] for a in listed["agents"]] == [agent["id"], "agent-1", "agent-2"]
    assert "config" not in listed["agents"][0], "instructions are not for everybody who may look at the list"


async def test_a_card_has_what_it_shows_and_strangers_see_no_memory(
    control_settings: Settings, letta: LettaDirectoryServer
) -> None:
    public = control_settings.model_copy(update={"admin_secret": "an-admin-secret-for-tests"})
    async with control_plane(public) as plane:
        admin = {"Authorization": f"Bearer {public.admin_secret}"}
        body = BODY | {"config": {"room_policy": "resident"}}
        assert (await plane.http.post("/agents", json=body, headers=admin)).status_code == 201
        seen, known = (await plane.http.get("/agents")).json(), (await plane.http.get("/agents", headers=admin)).json()
    assert [agent["resident"] for agent in seen["agents"]] == [True, False, False]
    assert {agent["remembers"] for agent in seen["agents"]} == {""}
    assert [agent["remembers"] for agent in known["agents"]][:2] == ["Ada knows a harbour."] * 2
    assert seen["llm"] == {"model": "qwen2.5-coder-1.5b-instruct", "small_and_local": True}


async def test_all_pages_of_letta_are_read_and_searched(plane: ControlPlane, letta: LettaDirectoryServer) -> None:
    for number in range(130):
        letta.add(f"agent-x{number}", "The same name")
    listed = (await plane.http.get("/agents")).json()["agents"]
    assert len(listed) == 132
    found = (await plane.http.get("/agents", params={"q": "X129"})).json()["agents"]
    assert [agent["id"] for agent in found] == ["agent-x129"]


async def test_a_change_needs_the_version_it_was_based_on(plane: ControlPlane) -> None:
    created = await saved(plane)
    url, etag = created.headers["Location"], created.headers["ETag"]
    assert (await plane.http.put(url, json=BODY)).status_code == 428
    changed = await plane.http.put(url, json=BODY | {"name": "Second"}, headers={"If-Match": etag})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    late = await plane.http.put(url, json=BODY, headers={"If-Match": etag})
    assert (late.status_code, late.json()["error"]["code"]) == (412, "version_conflict")
    assert (await plane.http.delete(url, headers={"If-Match": etag})).status_code == 412
    assert (await plane.http.delete(url, headers={"If-Match": changed.headers["ETag"]})).status_code == 204
    assert (await plane.http.get(url)).status_code == 404


async def test_lettas_own_agents_are_not_changed_here(plane: ControlPlane) -> None:
    put = await plane.http.put("/agents/agent-1", json=BODY, headers={"If-Match": '"0"'})
    assert (put.status_code, (await plane.http.delete("/agents/agent-1")).status_code) == (409, 409)


async def test_what_letta_does_not_have_cannot_be_saved(plane: ControlPlane) -> None:
    answer = await plane.http.post("/agents", json=BODY | {"letta_agent_id": "agent-404"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "agent_not_found")


async def test_with_letta_away_saved_agents_are_listed_and_can_be_talked_to(
    plane: ControlPlane, letta: LettaDirectoryServer
) -> None:
    agent = (await saved(plane)).json()
    letta.away = True
    listed = (await plane.http.get("/agents")).json()
    assert [(a["id"], a["available"]) for a in listed["agents"]] == [(agent["id"], False)]
    assert listed["letta"]["error"]["code"] == "letta_unavailable"
    assert (await plane.open_session(agent_id=agent["id"]))["agent"]["letta_agent_id"] == "agent-1"
    refused = await plane.http.post("/session", json={"agent_id": "agent-1"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "letta_unavailable")


async def test_without_an_agent_id_nobody_is_guessed(plane: ControlPlane) -> None:
    answer = await plane.http.post("/session", json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "agent_ambiguous")


async def test_unknown_fields_scripts_and_tricks_are_refused_or_kept_as_text(plane: ControlPlane) -> None:
    for wrong in ({"unknown": 1}, {"name": ""}, {"name": "a\x00b"}, {"config": {"greting": "x"}}, {"role": "king"}):
        assert (await plane.http.post("/agents", json=BODY | wrong)).status_code == 422, wrong
    name = "<script>alert(1)</script>"
    assert (await saved(plane, name=name)).json()["name"] == name
    for path in ("/agents/..%2f..%2fetc", "/agents/%00", "/static/../pyproject.toml", "/static/%2e%2e/pyproject.toml"):
        assert (await plane.http.get(path)).status_code in (404, 422), path
    assert (await plane.http.post("/agents", content=b"x" * 10_000_000)).status_code == 413
