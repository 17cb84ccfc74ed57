"""Error output of the command line: one line with a code; the traceback of an unexpected error goes to a file."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from voice_agent.errors import Code, Permanent, VoiceAgentError

INTERRUPTED: Final = 130
INTERNAL: Final = 70
"""Exit codes of shells and sysexits.h; any other failure exits with 1."""
LOG_NAME: Final = "errors.log"
_MOST_BYTES: Final = 1_000_000


def said_of(error: BaseException, command: str) -> tuple[str, int]:
    """The line to print, and the exit code."""
    known = _known(error)
    if known is not None:
        return f"Error: {known}", 1
    where = _written_down(error, command)
    what = f"{command} met an error that it should not ({type(error).__name__})."
    return f"Error: {what} [{Code.INTERNAL}] What happened is in {where}: report it with that.", INTERNAL


def _known(error: BaseException) -> VoiceAgentError | None:
    if isinstance(error, VoiceAgentError):
        return error
    if isinstance(error, BaseExceptionGroup):  # from a TaskGroup
        return next((known for one in error.exceptions if (known := _known(one))), None)
    return _of_the_system(error) if isinstance(error, OSError) else None


def _of_the_system(error: OSError) -> VoiceAgentError | None:
    reason = error.strerror or type(error).__name__
    if error.errno == errno.ENOSPC:
        return Permanent(Code.DISK_FULL, f"The disk is full ({error.filename}).", "Free some space and try again.")
    if error.errno == errno.EADDRINUSE:
        return Permanent(
            Code.PORT_TAKEN, f"A port is taken by another program ({reason}).", "'voice-agent doctor' says which one."
        )
    if error.filename is not None:
        return Permanent(
            Code.FILE_UNUSABLE,
            f"{error.filename} cannot be used: {reason}.",
            "Choose another path, or let this user read and write it.",
        )
    return None


def _written_down(error: BaseException, command: str) -> str:
    """The path of the log, which is readable by its owner only. Known secrets are masked."""
    text = "".join(traceback.format_exception(error))
    secrets, folder = _surroundings()
    for secret in secrets:
        text = text.replace(secret, "***")
    entry = f"--- {datetime.now(UTC).isoformat(timespec='seconds')} {command} (pid {os.getpid()})\n{text}\n"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / LOG_NAME
        fresh = path.exists() and path.stat().st_size > _MOST_BYTES
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if fresh else os.O_APPEND), 0o600)
    except OSError:
        handle, name = tempfile.mkstemp(prefix="voice-agent-", suffix=f"-{LOG_NAME}")
        path = Path(name)
    with os.fdopen(handle, "w") as file:
        file.write(entry)
    return str(path)


def _surroundings() -> tuple[list[str], Path]:
    """Values of secrets, and the log folder; from the environment if the settings cannot be loaded."""
    from voice_agent import settings

    try:
        found = settings.load().settings
    except Exception:  # noqa: BLE001 - loading the settings may be what failed
        home = os.environ.get("VOICE_HOME")
        told = [os.environ.get(name, "") for name in settings.Settings.secret_names()]
        return [value for value in told if value], (Path(home) if home else Path(tempfile.gettempdir())) / "logs"
    names = settings.names()
    values = [str(getattr(found, names[name])) for name in settings.Settings.secret_names()]
    return [value for value in values if value], found.home / "logs"


def command_line() -> str:
    """The command without its arguments, which may be confidential."""
    words = [word for word in sys.argv[1:3] if word.isalpha()]
    return " ".join(["voice-agent", *words])
