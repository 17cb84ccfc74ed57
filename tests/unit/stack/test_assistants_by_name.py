"""Every command that takes an assistant takes its name or its id, and says in our words whom it does not find."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest
import typer
from typer.core import TyperCommand, TyperGroup
from typer.testing import CliRunner, Result

from tests.support.letta_directory import LettaDirectoryServer, running_letta_directory
from tests.support.newest import upgraded
from tests.support.stack import environment
from voice_agent import settings
from voice_agent.cli import app
from voice_agent.errors import Code, VoiceAgentError
from voice_agent.storage import Database


def taking_an_assistant(group: TyperGroup, *above: str) -> Iterator[tuple[str, ...]]:
    """With its other arguments, after which the assistant is put in the place of AGENT."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from taking_an_assistant(command, *above, name)
        elif isinstance(command, TyperCommand):
            arguments = [one for one in command.params if one.param_type_name == "argument"]
            if any(one.name == "agent" for one in arguments):
                yield (*above, name, *("AGENT" if one.name == "agent" else "Lisbon" for one in arguments))


COMMANDS = list(taking_an_assistant(typer.main.get_group(app)))
NOTHING_FOUND = ("memory", "forget")
"""Ends with 1, because there is nothing that could be forgotten."""


@pytest.fixture(scope="module")
def letta(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LettaDirectoryServer]:
    """With its database beside it; nothing of the caller's environment counts."""
    home = tmp_path_factory.mktemp("home")
    told = environment(home, VOICE_MODELS_PORT="9")
    with pytest.MonkeyPatch.context() as patch:
        for name in set(os.environ) & set(settings.names()):
            patch.delenv(name)
        for name in set(told) & set(settings.names()):
            patch.setenv(name, told[name])
        patch.chdir(home)
        asyncio.run(with_schema())
        with running_letta_directory(int(told["VOICE_LETTA_PORT"])) as directory:
            directory.add("agent-00000000-0000-4000-8000-000000000001", "Juniper")
            directory.add("agent-00000000-0000-4000-8000-000000000002", "Two of a name")
            directory.add("agent-00000000-0000-4000-8000-000000000003", "Two of a name")
            yield directory


async def with_schema() -> None:
    database = Database(settings.load().settings.effective_database_url)
    await upgraded(database)
    await database.close()


def called(command: tuple[str, ...], agent: str) -> Result:
    return CliRunner().invoke(app, [agent if word == "AGENT" else word for word in command])


def refusal(command: tuple[str, ...], agent: str) -> VoiceAgentError:
    error = called(command, agent).exception
    assert isinstance(error, VoiceAgentError), (command, error)
    assert "malformed" not in str(error)
    return error


def test_the_commands_are_known() -> None:
    assert len(COMMANDS) == 6
    assert {command[0] for command in COMMANDS} == {"memory"}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:2]))
def test_a_name_and_an_id_are_the_same(letta: LettaDirectoryServer, command: tuple[str, ...]) -> None:
    by_id = called(command, "agent-00000000-0000-4000-8000-000000000001")
    assert by_id.exit_code == (1 if command[:2] == NOTHING_FOUND else 0), by_id.output
    assert by_id.exception is None or isinstance(by_id.exception, SystemExit)
    for name in ("Juniper", " juniper"):
        by_name = called(command, name)
        assert (by_name.exit_code, by_name.output) == (by_id.exit_code, by_id.output)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:2]))
def test_who_is_nobody_or_several_is_said(letta: LettaDirectoryServer, command: tuple[str, ...]) -> None:
    for unknown in ("Marlow", "agent-1", "agent-00000000-0000-4000-8000-000000000009", "../../etc passwd"):
        error = refusal(command, unknown)
        assert error.code is Code.AGENT_NOT_FOUND
        assert "Juniper" in error.remedy
    error = refusal(command, "Two of a name")
    assert error.code is Code.AGENT_AMBIGUOUS
    assert "000000000002" in error.remedy
    assert "000000000003" in error.remedy
