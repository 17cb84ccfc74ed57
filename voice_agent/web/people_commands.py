"""Commands `voice-agent people export | delete`: they ask the running server."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import quote

import typer

Person = Annotated[str, typer.Argument(help="Person id (see docs/people.md).", metavar="PERSON")]
_LONG: Final = 60.0
"""Seconds: the server waits for the whole deletion for a while."""


def register(app: typer.Typer) -> None:
    people = typer.Typer(help="What is kept about a person.")
    app.add_typer(people, name="people")
    for command in (export, delete):
        people.command()(command)


def export(person: Person, text: Annotated[bool, typer.Option("--text", help="As text, not as JSON.")] = False) -> None:
    """Print everything that is kept about a person."""
    from voice_agent import settings
    from voice_agent.web.client import ask_text

    style = "text" if text else "json"
    typer.echo(ask_text(settings.load().settings, "GET", f"{_path(person)}/export?format={style}", _LONG))


def delete(
    person: Person, yes: Annotated[bool, typer.Option("--yes", help="Do not ask before deleting.")] = False
) -> None:
    """Delete everything about a person, in all assistants."""
    from voice_agent import settings
    from voice_agent.web.client import ask

    loaded = settings.load().settings
    if not yes:
        typer.confirm(f"Delete everything about {person}? This cannot be undone.", abort=True)
    answer = ask(loaded, "DELETE", _path(person), _LONG)
    typer.echo(f"{answer['message']} {answer['remedy']}".strip())
    for kept in answer["kept"]:
        typer.echo(f"Kept in {kept['agent_id']}, written by hand: {', '.join(kept['labels']) or 'nothing'}.")


def _path(person: str) -> str:
    return f"/people/{quote(person, safe='')}"
