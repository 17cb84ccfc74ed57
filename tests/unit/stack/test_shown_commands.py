"""What the documents tell a person to type can be typed: programs exist, commands take these arguments."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

from voice_agent.cli import app

REPOSITORY = Path(__file__).parents[3]
DOCUMENTS = ("README.md", "AGENTS.md", "CONTRIBUTING.md", "examples/README.md", "docs/security.md")
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
PLACEHOLDERS = {"FILE": str(REPOSITORY / "README.md")}
"""For words that a person replaces by something that exists."""


def shown(text: str) -> Iterator[list[str]]:
    for block in BLOCK.findall(text):
        for line in block.splitlines():
            if words := shlex.split(line, comments=True):
                yield words


COMMANDS = [words for name in DOCUMENTS for words in shown((REPOSITORY / name).read_text(encoding="utf-8"))]


def require_callable(words: list[str]) -> None:
    """Raises where a person would meet an error."""
    program, *arguments = words
    path = REPOSITORY / program
    if program == ".venv/bin/python":
        assert (REPOSITORY / arguments[0]).is_file(), f"{arguments[0]} does not exist"
        return
    assert path.is_file(), f"{program} does not exist"
    assert os.access(path, os.X_OK), f"{program} cannot be executed"
    if path.name == "voice-agent":
        require_taken(arguments)
    elif path.name == "bench.sh":
        assert importlib.util.find_spec(f"tests.bench.{arguments[0]}"), f"there is no bench {arguments[0]}"
    elif path.name == "test.sh":
        require_tier(arguments)


def require_taken(arguments: list[str]) -> None:
    """Read as the command line reads them; nothing is done."""
    group = typer.main.get_group(app)
    for command in everything_in(group):
        command.callback = nothing
    words = [PLACEHOLDERS.get(word, word) for word in arguments]
    for line in (words, [*words, "--help"]):
        with pytest.raises(SystemExit) as ended:
            group.main(line, "voice-agent")
        assert ended.value.code == 0, line


def everything_in(group: TyperGroup) -> Iterator[TyperGroup | TyperCommand]:
    yield group
    for command in group.commands.values():
        if isinstance(command, TyperGroup):
            yield from everything_in(command)
        elif isinstance(command, TyperCommand):
            yield command


def nothing(**_: object) -> None:
    pass


def require_tier(arguments: list[str]) -> None:
    script = (REPOSITORY / "scripts" / "test.sh").read_text()
    tiers = script.splitlines()[1].split("[", 1)[1].split("]", 1)[0].split("|")
    assert not arguments or arguments[0] in tiers, f"there is no tier {arguments[0]}"
    for path in (word for word in arguments if word.startswith("tests/")):
        assert (REPOSITORY / path).exists(), f"{path} does not exist"


def test_the_commands_are_found() -> None:
    assert len(COMMANDS) > 20
    words = {words[1] for words in COMMANDS if words[0] == "scripts/voice-agent"}
    assert {"status", "logs", "replay", "reset", "memory", "doctor", "secrets", "settings", "down"} <= words


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_what_is_shown_can_be_called(words: list[str]) -> None:
    require_callable(words)


@pytest.mark.parametrize(
    "line",
    [
        "voice-agent status",
        "scripts/gone.sh",
        "scripts/ensure_uv.sh",
        "scripts/voice-agent vanished",
        "scripts/voice-agent memory vanished",
        "scripts/voice-agent memory show",
        "scripts/voice-agent status --vanished",
        "scripts/voice-agent replay gone.jsonl",
        "scripts/bench.sh vanished",
        "scripts/test.sh vanished",
        "scripts/test.sh unit tests/vanished",
        ".venv/bin/python examples/vanished.py",
    ],
)
def test_what_cannot_be_called_is_found(line: str) -> None:
    with pytest.raises(AssertionError):
        require_callable(shlex.split(line))
