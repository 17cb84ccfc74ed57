"""Data model of agents, sessions and people."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from voice_agent.contracts import Role


class Kind(StrEnum):
    SAVED = "saved"
    LETTA = "letta"
    """Implicit: a Letta agent that was not saved here; every one can be talked to."""


@dataclass(frozen=True, slots=True)
class Agent:
    """Agent that a person can pick and talk to. Names may repeat; ids bind."""

    id: str
    kind: Kind
    name: str
    description: str
    letta_agent_id: str
    role: Role = Role.GENERAL
    config: dict[str, Any] = field(default_factory=dict)
    model: str | None = None
    remembers: str = ""
    """A line of its memory about its person: confidential."""
    tags: tuple[str, ...] = ()
    own_memory: bool = False
    """Its Letta agent was made for it."""
    available: bool = True
    """False: Letta does not have its Letta agent, or could not be asked."""
    version: int = 0
    created_at: float = 0.0
    updated_at: float = 0.0


@dataclass(frozen=True, slots=True)
class AgentDraft:
    """Fields of a saved agent that a caller may set."""

    name: str
    letta_agent_id: str = ""
    """The Letta agent whose memory it shares; empty: it has one of its own, which is made for it."""
    description: str = ""
    role: Role = Role.GENERAL
    config: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OwnMemory:
    """Letta agent that was made, or is being made, for an assistant."""

    agent_id: str
    letta_agent_id: str | None
    leaving: bool


@dataclass(frozen=True, slots=True)
class Person:
    """The person a session is for, as far as the server vouches for it. An unauthenticated user has no `user_id`."""

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
    """The person whose memory is used (people.py). Empty: opened by a version without people."""


@dataclass(frozen=True, slots=True)
class StoredPerson:
    """Stored person who is recognised by a browser key."""

    person_id: str
    key_hash: str
    created_at: float
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """What is kept of a person besides their memory."""

    person_id: str
    user_name: str
    """The name by which they want to be called; empty: none was given."""
    known_since: float | None
    """When their browser key was issued."""
    has_key: bool
    """A browser key that is not revoked."""
    being_deleted: bool


class LettaAgent(Protocol):
    """The fields of a Letta agent that the registry reads."""

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
    @property
    def made_for(self) -> str: ...


def normalised_name(name: str) -> str:
    """Canonical spelling of a name: composed Unicode, single spaces, nothing invisible."""
    composed = unicodedata.normalize("NFC", name)
    visible = "".join(" " if c.isspace() else c for c in composed if c.isspace() or unicodedata.category(c)[0] != "C")
    return " ".join(visible.split())
