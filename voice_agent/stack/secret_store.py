"""Secrets nobody has to think of: made once, kept in VOICE_HOME, read only by their owner."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

from voice_agent.settings import STACK_FILE, Settings
from voice_agent.stack.shell import write_private

MAKERS: Final[dict[str, Callable[[], str]]] = {
    "LIVEKIT_API_KEY": lambda: "va" + secrets.token_hex(6),
    "LIVEKIT_API_SECRET": lambda: secrets.token_urlsafe(36),
    "LETTA_API_KEY": lambda: secrets.token_urlsafe(36),
    "VOICE_INTERNAL_SECRET": lambda: secrets.token_urlsafe(36),
}


def ensure(settings: Settings) -> Settings:
    """The settings with every missing secret of our own servers made and stored."""
    path = settings.home / STACK_FILE
    stored = dict(line.split("=", 1) for line in path.read_text().splitlines()) if path.is_file() else {}
    given = settings.as_environment()
    missing = {name: make() for name, make in MAKERS.items() if name not in stored}
    if missing:
        stored |= missing
        write_private(path, "".join(f"{name}={value}\n" for name, value in stored.items()))
    theirs = {"LETTA_API_KEY"} if settings.letta_base_url else set()
    theirs |= {"LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"} if settings.livekit_url else set()
    ours = {name: value for name, value in stored.items() if name not in theirs}
    return Settings.model_validate(ours | given)
