"""`voice-agent`: every package brings its own commands."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Final

import typer

from voice_agent.errors import VoiceAgentError

PACKAGES: Final = ("stack", "models", "observe", "web", "conversation", "memory")

app = typer.Typer(
    help="A voice assistant with a memory that people can leave and come back to.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
for _package in PACKAGES:
    if importlib.util.find_spec(f"voice_agent.{_package}.commands"):
        importlib.import_module(f"voice_agent.{_package}.commands").register(app)


def main() -> None:
    try:
        app()
    except VoiceAgentError as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
