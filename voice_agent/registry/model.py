"""Agents and sessions in our own words."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from voice_agent.contracts import Role


class Kind(StrEnum):
    SAVED = "saved"
    LETTA = "letta"
    """Implicit: every Letta agent can be talked to without having been saved here."""


@dataclass(frozen=True, slots=True)
class Agent:
    """Something a person can pick and talk to. Names may repeat; ids bind."""

    id: str
    kind: Kind
    name: str
    description: str
    letta_agent_id: str
    role: Role = Role.GENERAL
    config: dict[str, Any] = field(default_factory=dict)
    model: str | None = None
    remembers: str = ""
    """A line of what it knows of its person: not for everybody's eyes."""
    tags: tuple[str, ...] = ()
    available: bool = True
    """False: Letta could be asked and does not have it, or could not be asked."""
    version: int = 0
    created_at: float = 0.0
    updated_at: float = 0.0


@dataclass(frozen=True, slots=True)
class AgentDraft:
    """What a caller may say about a saved agent."""

    name: str
    letta_agent_id: str
    description: str = ""
    role: Role = Role.GENERAL
    config: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Person:
    """Who a session is for, as far as the server vouches for it. An unauthenticated user has no `user_id`."""

    role: Role = Role.GENERAL
    business_id: str = ""
    user_id: str = ""
    user_name: str = ""
    user_email: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    id: str
    secret_hash: str
    room_name: str
    identity: str
    agent_id: str
    agent_name: str
    letta_agent_id: str
    person: Person
    config: dict[str, Any]
    created_at: float
    last_human_at: float
    ended_at: float | None = None
    person_id: str = ""
    """Whose memory it is (people.py). Empty: opened by a version that did not know people."""


@dataclass(frozen=True, slots=True)
class StoredPerson:
    """A person who is recognised by a key."""

    person_id: str
    key_hash: str
    created_at: float
    revoked_at: float | None = None


class LettaAgent(Protocol):
    """What the registry reads of a Letta agent."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def remembers(self) -> str: ...


def normalised_name(name: str) -> str:
    """One spelling for one name: composed Unicode, single spaces, nothing invisible."""
    composed = unicodedata.normalize("NFC", name)
    visible = "".join(" " if c.isspace() else c for c in composed if c.isspace() or unicodedata.category(c)[0] != "C")
    return " ".join(visible.split())
