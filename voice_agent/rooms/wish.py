"""Wish of a dispatch: which assistant it asks for, by id or name. LiveKit leaves a dispatch's metadata to its users."""

from __future__ import annotations

import json
from typing import Any, Final

MAX_WISH: Final = 200
"""Characters of an id or a name."""


def wish_in(metadata: str) -> str:
    """Id or name of an assistant; empty: none is named, so the default one.

    An object names one in `agent_id`; what else it holds is of other software. Anything else is an id or a name.
    """
    text, found = metadata.strip(), _read(metadata)
    if isinstance(found, dict):
        found = found.get("agent_id")
    if found is None:
        return ""
    return (found if isinstance(found, str) else text).strip()[:MAX_WISH]


def is_ours(metadata: str) -> bool:
    """Metadata of a dispatch that our monitor made, of whatever version."""
    found = _read(metadata)
    return isinstance(found, dict) and found.keys() >= {"room_name", "session_id", "agent"}


def _read(metadata: str) -> Any:
    """JSON, else the text itself; None: nothing."""
    try:
        return json.loads(metadata) if metadata.strip() else None
    except (ValueError, RecursionError):
        return metadata.strip()


def wished(agent_name: str, metadata: str, worker_name: str) -> str:
    """The same of a dispatch to `agent_name`: our workers' name leaves the choice to the metadata."""
    name = agent_name.strip()
    return wish_in(metadata) if name in ("", worker_name) else name[:MAX_WISH]
