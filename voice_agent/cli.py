"""Command line `voice-agent`: each package registers its own commands."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

import voice_agent.conversation.commands
import voice_agent.models.commands
import voice_agent.observe.commands
import voice_agent.stack.commands
import voice_agent.web.commands
from voice_agent.stack.failures import INTERRUPTED, command_line, said_of

app = typer.Typer(
    help="A voice assistant with a memory that people can leave and come back to.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("voice-agent"))
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    pass


for package in (
    voice_agent.stack,
    voice_agent.models,
    voice_agent.observe,
    voice_agent.web,
    voice_agent.conversation,
):
    package.commands.register(app)


def main() -> None:
    # Our own `uv` (a dependency, so of a known version) is found however this command was called.
    os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    os.umask(0o077)  # files that we and our child processes write may hold what people said
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - a user sees no traceback
        line, exit_code = said_of(error, command_line())
        print(line, file=sys.stderr)
        sys.exit(exit_code)


if __name__ == "__main__":
    main()
