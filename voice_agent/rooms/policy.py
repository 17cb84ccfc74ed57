"""A policy is three values: what a room is keyed by, whether an agent stays in it when empty, when it closes."""

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
    person_id: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    key: Callable[[RoomKeyParts], str]
    agent_when_empty: bool
    """An agent belongs into the room whether or not anybody is there."""
    closes: bool
    """Closed when nobody has been there for the validity of a session."""


def _shared_by(parts: RoomKeyParts) -> str:
    """A business shares a room among its people. Without one nobody is known to belong together."""
    if parts.business_id or not parts.person_id:
        return parts.business_id
    # No business id has a slash. Hashed: a person id is too long for a key.
    return f"/{hashlib.sha256(parts.person_id.encode()).hexdigest()[:32]}"


POLICIES: Final = {
    RoomPolicy.SESSION: Policy(lambda p: f"session:{p.session_id}", agent_when_empty=False, closes=True),
    RoomPolicy.SHARED: Policy(lambda p: f"shared:{p.agent_id}:{_shared_by(p)}", agent_when_empty=False, closes=True),
    RoomPolicy.RESIDENT: Policy(lambda p: f"resident:{p.agent_id}:{p.user_id}", agent_when_empty=True, closes=False),
}

BY_ROLE: Final = {
    Role.OWNER: RoomPolicy.SHARED,
    Role.CUSTOMER: RoomPolicy.SESSION,
    Role.GENERAL: RoomPolicy.SESSION,
}
