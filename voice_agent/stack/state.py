"""Saved state of a run: written by the supervisor, so that other commands and the next start know what is ours."""

from __future__ import annotations

import fcntl
import os
from enum import StrEnum
from pathlib import Path

from pydantic import AliasChoices, BaseModel, Field, ValidationError

from voice_agent.errors import Code, Permanent
from voice_agent.settings import Settings
from voice_agent.stack.processes import Identity
from voice_agent.stack.subprocess_utils import write_private


class Phase(StrEnum):
    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    GIVEN_UP = "given up"
    STOPPED = "stopped"


class ServiceState(BaseModel):
    name: str
    phase: Phase = Phase.WAITING
    process: Identity | None = None
    port: int | None = None
    version: str = ""
    ready_after_s: float | None = None
    restarts: int = 0
    detail: str = ""


class RunState(BaseModel):
    run: str
    """Mark in the environment of every process of this run."""
    supervisor: Identity
    url: str
    settings: dict[str, str]
    """The settings of the run, without secrets, so that other commands use its real addresses."""
    services: list[ServiceState] = Field(validation_alias=AliasChoices("services", "parts"))
    """Earlier versions called them `parts`: their runs can still be stopped."""


def folder(home: Path) -> Path:
    return home / "run"


def save(home: Path, state: RunState) -> None:
    write_private(folder(home) / "state.json", state.model_dump_json(indent=2))


def load(home: Path) -> RunState | None:
    try:
        return RunState.model_validate_json((folder(home) / "state.json").read_text())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise Permanent(
            Code.INTERNAL,
            f"{folder(home) / 'state.json'} cannot be read: {error.errors()[0]['msg']}.",
            "Stop what still runs by hand and delete the file.",
        ) from error


def forget(home: Path) -> None:
    (folder(home) / "state.json").unlink(missing_ok=True)


def as_running(settings: Settings, state: RunState) -> Settings:
    """The settings of the run that is up; secrets stay as loaded."""
    return Settings.model_validate(settings.as_environment() | state.settings)


def lock(home: Path) -> int:
    """One supervisor per VOICE_HOME: the returned descriptor holds the lock until its last owner has closed it."""
    folder(home).mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder(home) / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        running = load(home)
        who = f" (supervisor pid {running.supervisor.pid})" if running else ", just now"
        raise Permanent(
            Code.ALREADY_RUNNING,
            f"A stack is already running or starting in {home}{who}.",
            "Use `voice-agent status`, `voice-agent restart`, or another VOICE_HOME and other ports.",
        ) from None
    return descriptor
