"""Secret store: generated secrets that the user need not choose, kept in VOICE_HOME, readable by the owner only."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from voice_agent.errors import Code, Permanent
from voice_agent.settings import STACK_FILE, Settings
from voice_agent.stack.subprocess_utils import write_private

MAKERS: Final[dict[str, Callable[[], str]]] = {
    "LIVEKIT_API_KEY": lambda: "va" + secrets.token_hex(6),
    "LIVEKIT_API_SECRET": lambda: secrets.token_urlsafe(36),
    "LETTA_API_KEY": lambda: secrets.token_urlsafe(36),
    "VOICE_INTERNAL_SECRET": lambda: secrets.token_urlsafe(36),
}
ROTATED: Final = MAKERS | {"VOICE_ADMIN_SECRET": lambda: secrets.token_urlsafe(36)}
"""With the secret that is generated in some runs only."""

SESSIONS_END: Final = frozenset({"LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"})


def rotate(settings: Settings) -> list[str]:
    """New values for the generated secrets, valid from the next start on; returns the names of the replaced ones."""
    path = settings.home / STACK_FILE
    if not path.is_file():
        raise Permanent(
            Code.NOT_RUNNING, f"{path} does not exist: no secrets were generated yet.", "Start once: voice-agent up"
        )
    stored = _stored(path)
    replaced = [name for name in stored if name in ROTATED and name not in _theirs(settings)]
    write_private(path, _text(stored | {name: ROTATED[name]() for name in replaced}))
    return replaced


def ensure(settings: Settings) -> Settings:
    """The settings with all secrets of our own servers; missing ones are generated and stored."""
    path = settings.home / STACK_FILE
    stored = _stored(path)
    given = settings.as_environment()
    missing = {name: make() for name, make in MAKERS.items() if name not in stored}
    if missing:
        stored |= missing
        write_private(path, _text(stored))
    ours = {name: value for name, value in stored.items() if name not in _theirs(settings)}
    return Settings.model_validate(ours | given)


def _theirs(settings: Settings) -> set[str]:
    """Secrets of servers that are given by URL."""
    theirs = {"LETTA_API_KEY"} if settings.letta_base_url else set()
    return theirs | (SESSIONS_END if settings.livekit_url else set())


def _stored(path: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in path.read_text().splitlines()) if path.is_file() else {}


def _text(stored: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in stored.items())
