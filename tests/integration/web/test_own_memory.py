"""An assistant's own memory through the API and in a real Letta: created, killed in between, shared, deleted."""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.support.bare_web import bare_app, client_of, web_settings
from tests.support.stack import Stack
from voice_agent.memory.own_agent import MADE_TAG, made_for
from voice_agent.settings import Settings
from voice_agent.web.memory_cleaner import ABANDONED_AFTER

pytestmark = pytest.mark.usefixtures("stack")


class Api:
    """The API in this process, with its own database, on the stack's Letta; its clock can be moved."""

    def __init__(self, stack: Stack, home: Path) -> None:
        self.stack = stack
        known = stack.settings
        self.settings: Settings = web_settings(
            home,
            letta_port=known.letta_port,
            letta_api_key=known.letta_api_key,
            llm_base_url=known.llm_base_url,
            llm_model=known.llm_model,
        )
        self.moved_by = 0.0
        self.app: FastAPI
        self.http: httpx.AsyncClient

    def clock(self) -> float:
        return time.time() + self.moved_by

    def agents_of(self, assistant: str) -> list[dict[str, Any]]:
        params = {"tags": MADE_TAG, "limit": 100, "include": "agent.tags"}
        found = self.stack.letta("GET", "/v1/agents/", params=params)
        return [agent for agent in found if made_for(agent["tags"]) == assistant]

    def blocks(self, agent: str) -> dict[str, str]:
        found = self.stack.letta("GET", f"/v1/agents/{agent}/core-memory/blocks")
        return {block["label"]: block["value"] for block in found}

    def named(self, name: str) -> list[str]:
        return [agent["id"] for agent in self.stack.letta("GET", "/v1/agents/", params={"name": name})]

    async def clean(self) -> bool:
        return bool(await self.app.state.services.memory_cleaner.clean())

    async def killed(self, key: str, name: str, where: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.mortal_creator", key, name, where),
            env=self.stack.environment | self.settings.as_environment(),
        )
        assert await process.wait() == -9


@pytest.fixture
async def api(stack: Stack, tmp_path: Path) -> AsyncIterator[Api]:
    api = Api(stack, tmp_path)
    async with bare_app(api.settings, api.clock) as app, client_of(app, api.settings) as client:
        client.timeout = httpx.Timeout(60)
        api.app, api.http = app, client
        yield api


@pytest.fixture
def name() -> str:
    return f"Luna {secrets.token_hex(3)}"


async def test_it_is_created_changed_shared_and_deleted_with_its_memory(api: Api, name: str) -> None:
    created = await api.http.post("/agents", json={"name": name, "description": "Teach me the stars."})
    assert created.status_code == 201, created.text
    agent = created.json()
    assert agent["own_memory"]
    assert [one["id"] for one in api.agents_of(agent["id"])] == [agent["letta_agent_id"]]
    assert api.blocks(agent["letta_agent_id"]) == {
        "persona": f"I am {name}.",
        "task": "Teach me the stars.",
        "human": "",
    }
    listed = (await api.http.get("/agents")).json()["agents"]
    assert [one["kind"] for one in listed if one["letta_agent_id"] == agent["letta_agent_id"]] == ["saved"]

    changed = await api.http.put(
        f"/agents/{agent['id']}",
        json={"name": name, "description": "Teach me the planets."},
        headers={"If-Match": created.headers["etag"]},
    )
    assert changed.status_code == 200, changed.text
    assert api.blocks(agent["letta_agent_id"])["task"] == "Teach me the planets."

    sharing = (await api.http.post("/agents", json={"name": "Sol", "letta_agent_id": agent["letta_agent_id"]})).json()
    assert not sharing["own_memory"]
    refused = await api.http.delete(f"/agents/{agent['id']}?memory=delete")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
    assert "Sol" in refused.json()["error"]["message"]
    assert (await api.http.delete(f"/agents/{sharing['id']}?memory=delete")).status_code == 409
    assert (await api.http.delete(f"/agents/{sharing['id']}")).status_code == 204
    assert (await api.http.delete(f"/agents/{agent['id']}?memory=delete")).status_code == 204
    assert api.agents_of(agent["id"]) == []
    assert api.named(name) == []


async def test_a_kept_memory_is_lettas_own_from_then_on(api: Api, name: str) -> None:
    agent = (await api.http.post("/agents", json={"name": name})).json()
    assert (await api.http.delete(f"/agents/{agent['id']}")).status_code == 204
    api.moved_by = 2 * ABANDONED_AFTER
    assert await api.clean()
    listed = (await api.http.get("/agents")).json()["agents"]
    assert [one["kind"] for one in listed if one["id"] == agent["letta_agent_id"]] == ["letta"]
    api.stack.letta("DELETE", f"/v1/agents/{agent['letta_agent_id']}")


@pytest.mark.parametrize("where", ["before", "after", "stored"])
async def test_after_a_kill_the_next_attempt_makes_it_once(api: Api, name: str, where: str) -> None:
    key = secrets.token_hex(16)
    await api.killed(key, name, where)
    assert len(api.named(name)) == (0 if where == "before" else 1)
    shown = [one for one in (await api.http.get("/agents")).json()["agents"] if one["name"] == name]
    assert shown == [], "what was begun is nobody's to talk to"
    body = {"name": name, "description": "Teach me the stars."}
    answers = [await api.http.post("/agents", json=body, headers={"Idempotency-Key": key}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201], answers[0].text
    assert answers[0].json() == answers[1].json()
    agent = answers[0].json()
    assert api.named(name) == [agent["letta_agent_id"]]
    other = await api.http.post("/agents", json=body | {"name": "Sol"}, headers={"Idempotency-Key": key})
    assert (other.status_code, other.json()["error"]["code"]) == (409, "conflict")
    assert (await api.http.delete(f"/agents/{agent['id']}?memory=delete")).status_code == 204


@pytest.mark.parametrize("where", ["after", "stored"])
async def test_after_a_kill_without_another_attempt_nothing_is_left(api: Api, name: str, where: str) -> None:
    await api.killed(secrets.token_hex(16), name, where)
    assert await api.clean()
    assert len(api.named(name)) == 1, "an attempt that may still go on is left alone"
    api.moved_by = 2 * ABANDONED_AFTER
    assert await api.clean()
    assert api.named(name) == []


async def test_with_letta_away_nothing_is_half_there_and_a_deletion_is_done_later(
    api: Api, name: str, tmp_path: Path
) -> None:
    agent = (await api.http.post("/agents", json={"name": name})).json()
    away = api.settings.model_copy(update={"letta_port": 9})
    async with bare_app(away, api.clock) as app, client_of(app, away) as client:
        refused = await client.post("/agents", json={"name": "Sol"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "letta_unavailable")
        assert [one["name"] for one in (await client.get("/agents")).json()["agents"]] == [name]
        assert (await client.delete(f"/agents/{agent['id']}?memory=delete")).status_code == 202
    assert api.named(name) == [agent["letta_agent_id"]]
    assert await api.clean()
    assert api.named(name) == []


async def test_a_model_that_letta_does_not_list_is_told(api: Api, tmp_path: Path) -> None:
    wrong = api.settings.model_copy(update={"letta_model": "vllm/nothing"})
    async with bare_app(wrong, api.clock) as app, client_of(app, wrong) as client:
        refused = await client.post("/agents", json={"name": "Luna"})
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (503, "letta_refused")
    assert "vllm/nothing" in error["message"]
    assert "VOICE_LETTA_MODEL" in error["remedy"]
