"""Standby process: one that has made its imports and waits until the process that it is to replace has died.

Importing takes a service seconds of a core, and somebody is waiting for it then.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

OPTION = "--standby"
Standby = Annotated[bool, typer.Option(OPTION, hidden=True)]


def wait_until_needed() -> None:
    """Until the supervisor writes a line. Its end ends this process."""
    if not sys.stdin.readline():
        sys.exit(0)
