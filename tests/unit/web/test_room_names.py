"""`voice-agent reset`: a room by its name, or by the assistant in it."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from voice_agent.cli import app
from voice_agent.errors import Code, Permanent
from voice_agent.settings import Settings
from voice_agent.web import client
from voice_agent.web.room_names import room_called


def room(name: str, agent_id: str) -> dict[str, Any]:
    return {"name": name, "agent_id": agent_id}


def agent(agent_id: str, name: str, letta_agent_id: str = "") -> dict[str, Any]:
    return {"id": agent_id, "name": name, "letta_agent_id": letta_agent_id or agent_id}


AGENTS = [
    agent("agent-1", "Juniper"),
    agent("agent-2", "Marlow"),
    agent("va-3", "Front desk", "agent-2"),
    agent("agent-4", "Nobody asked"),
    agent("va-5", "juniper", "agent-4"),
]
ROOMS = [room("va-one", "agent-1"), room("va-two", "agent-2"), room("va-three", "va-3"), room("va-four", "va-3")]


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("va-two", "va-two"),
        ("Juniper", "va-one"),
        (" juniper ", "va-one"),
        ("agent-1", "va-one"),
        ("Marlow", "va-two"),
    ],
)
def test_a_room_is_found_by_its_name_and_by_its_assistant(word: str, name: str) -> None:
    assert room_called(word, ROOMS, AGENTS) == name


@pytest.mark.parametrize(
    ("word", "code", "said"),
    [
        ("Front desk", Code.AGENT_AMBIGUOUS, "va-three, va-four"),
        ("agent-2", Code.AGENT_AMBIGUOUS, "va-two, va-three, va-four"),
        ("Nobody asked", Code.NOT_FOUND, "in no room"),
        ("Whoever", Code.AGENT_NOT_FOUND, "no room and no assistant 'Whoever'"),
        ("../../x y", Code.AGENT_NOT_FOUND, "Open rooms: va-one, va-two"),
        ("", Code.AGENT_NOT_FOUND, "no room and no assistant"),
    ],
)
def test_what_is_nobodys_or_several_is_named(word: str, code: Code, said: str) -> None:
    with pytest.raises(Permanent) as refused:
        room_called(word, ROOMS, AGENTS)
    assert refused.value.code is code
    assert said in str(refused.value)


def test_where_no_room_is_open_that_is_said() -> None:
    with pytest.raises(Permanent, match="no room") as refused:
        room_called("Juniper", [], AGENTS)
    assert refused.value.remedy == "No room is open."


def test_the_command_resets_the_room_of_the_assistant(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []
    answers = {"/rooms": {"rooms": ROOMS}, "/agents": {"agents": AGENTS}}

    def ask(_settings: Settings, method: str, path: str) -> dict[str, Any]:
        asked.append((method, path))
        return answers.get(path, {"reset": "done", "episode": 2})

    monkeypatch.setattr(client, "ask", ask)
    done = CliRunner().invoke(app, ["reset", "Juniper"])
    assert (done.exit_code, done.output) == (0, "done, episode 2\n"), done.exception
    assert asked[-1] == ("POST", "/rooms/va-one/reset")
