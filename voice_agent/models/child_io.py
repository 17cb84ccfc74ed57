"""Child side of the parent protocol: read the orders from stdin, announce readiness, exit with the parent."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any, Final

READY: Final = b"ready\n"
LANGUAGE_HEADER: Final = "x-language"
"""Language of a recording for the speech child; empty: it is to be recognised."""


def orders() -> dict[str, Any]:
    """The first line on stdin. Afterwards the end of stdin means that the parent is gone, however it ended."""
    line = sys.stdin.buffer.readline()
    if not line:
        raise SystemExit("no orders on stdin: this program is started by `voice-agent models serve`")
    loaded: dict[str, Any] = json.loads(line)
    return loaded


def announce_ready() -> None:
    os.write(sys.stdout.fileno(), READY)


def exit_with_parent() -> threading.Thread:
    def wait() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        # A native computation cannot be interrupted cleanly, and nothing here needs to be saved.
        os._exit(0)

    thread = threading.Thread(target=wait, name="parent-watch", daemon=True)
    thread.start()
    return thread
