"""Commands `voice-agent people export | delete`, against a running server."""

from __future__ import annotations

import asyncio
import json

import pytest
from typer.testing import CliRunner

from tests.support.control_plane import ControlPlane
from voice_agent.cli import app


@pytest.fixture
async def environment(plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> ControlPlane:
    for name, value in plane.settings.as_environment().items():
        monkeypatch.setenv(name, value)
    return plane


async def run(*words: str, answer: str = "") -> tuple[int, str]:
    done = await asyncio.to_thread(CliRunner().invoke, app, ["people", *words], input=answer)
    return done.exit_code, done.output + str(done.exception or "")


async def test_export_and_delete(environment: ControlPlane) -> None:
    made = (await environment.http.post("/people")).json()
    person = made["person_id"]
    await environment.http.put(f"/people/{person}", json={"user_name": "Quintilla"})
    code, shown = await run("export", person)
    assert (code, json.loads(shown)["person"]["user_name"]) == (0, "Quintilla")
    code, shown = await run("export", person, "--text")
    assert (code, shown.splitlines()[0]) == (0, "What is kept about Quintilla")
    code, shown = await run("delete", person, answer="n\n")
    assert code == 1
    assert (await environment.http.get(f"/people/{person}")).json()["user_name"] == "Quintilla"
    code, shown = await run("delete", person, "--yes")
    assert (code, "Everything about this person is deleted." in shown) == (0, True)
    code, shown = await run("delete", person, "--yes")
    assert code == 1
    assert "This person is not known." in shown
