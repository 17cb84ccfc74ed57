"""Room policies: the key of a room, whether an agent stays in it when it is empty, whether it closes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from voice_agent.contracts import Role, RoomPolicy


@dataclass(frozen=True, slots=True)
class RoomKeyParts:
    session_id: str
    agent_id: str
    business_id: str
    user_id: str
    live_room: str = ""
    """LiveKit's id of a room that others made."""


@dataclass(frozen=True, slots=True)
class Policy:
    key: Callable[[RoomKeyParts], str]
    agent_when_empty: bool
    """An agent stays in the room without a human, too."""
    closes: bool
    """The room closes after a session's validity without a human."""
    made_by_us: bool = True
    """False: it is not created, marked or deleted, its people are not removed, and agents of others may be in it."""


def _user_of(parts: RoomKeyParts) -> str:
    """The same user id in two businesses is two people. No id has a slash."""
    if not parts.business_id:
        return parts.user_id
    both = f"/{parts.business_id}/{parts.user_id}"
    return both if len(both) <= _USER_CHARS else f"/{hashlib.sha256(both.encode()).hexdigest()}"


_USER_CHARS: Final = 160
"""Characters left in a key beside the longest agent id."""

POLICIES: Final = {
    RoomPolicy.SESSION: Policy(lambda p: f"session:{p.session_id}", agent_when_empty=False, closes=True),
    RoomPolicy.SHARED: Policy(lambda p: f"shared:{p.agent_id}:{p.business_id}", agent_when_empty=False, closes=True),
    # A room that is made again under the same name has another id.
    RoomPolicy.ADOPTED: Policy(
        lambda p: f"adopted:{p.live_room}", agent_when_empty=False, closes=True, made_by_us=False
    ),
    RoomPolicy.RESIDENT: Policy(lambda p: f"resident:{p.agent_id}:{_user_of(p)}", agent_when_empty=True, closes=False),
}

BY_ROLE: Final = {
    Role.OWNER: RoomPolicy.SHARED,
    Role.CUSTOMER: RoomPolicy.SESSION,
    Role.GENERAL: RoomPolicy.SESSION,
}
