"""Ports of the registry: Letta's directory of agents, and the stores."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from voice_agent.registry.model import (
    Agent,
    AgentDraft,
    LettaAgent,
    OwnMemory,
    Profile,
    Session,
    StoredPerson,
)


class LettaDirectory(Protocol):
    """Letta's agents: all can be read, those that were made for an assistant are written."""

    async def list_agents(self) -> Sequence[LettaAgent]:
        """All of them, whatever the server's page size."""

    async def get_agent(self, agent_id: str) -> LettaAgent | None: ...

    async def create_assistant(
        self, assistant_id: str, name: str, description: str, blocks: Mapping[str, str]
    ) -> str: ...

    async def find_assistants(self, assistant_id: str) -> Sequence[str]: ...

    async def write_assistant(self, agent_id: str, name: str, description: str, blocks: Mapping[str, str]) -> None: ...

    async def delete_assistant(self, agent_id: str) -> None: ...


class AgentStore(Protocol):
    async def list(self) -> list[Agent]: ...

    async def get(self, agent_id: str) -> Agent | None: ...

    async def met(self, agent_id: str | None = None) -> Sequence[Agent]:
        """Letta agents (or only this one) with which a session was opened, under their names of then."""

    async def is_taken(self, agent_id: str) -> bool:
        """By an agent that is there, or by one that was removed."""

    async def add(self, agent_id: str, draft: AgentDraft, now: float) -> Agent | None:
        """None: the id is taken."""

    async def replace(self, agent_id: str, draft: AgentDraft, version: int, now: float) -> Agent | None:
        """None: this version is not the current one (or the agent is gone)."""

    async def remove(self, agent_id: str, version: int | None, now: float, *, forget: bool = False) -> bool:
        """`forget`: the Letta agent that was made for it is to be deleted, too."""


class OwnMemoryStore(Protocol):
    """Letta agents of the assistants: noted before one is made, so that none is lost."""

    async def assistants(self) -> Collection[str]:
        """Ids of all that have one, that are to have one, or whose one is to be deleted."""

    async def begin(self, agent_id: str, now: float) -> OwnMemory:
        """Note that one is made for this assistant, unless it has one."""

    async def settle(self, agent_id: str, letta_agent_id: str) -> str | None:
        """Store the Letta agent that was made; of several, the first stays. Returns the one that stays; None: it is
        to be deleted meanwhile."""

    async def lost(self, agent_id: str, letta_agent_id: str) -> None:
        """It was deleted in Letta by somebody else: another one is to be made."""


class SessionStore(Protocol):
    async def get(self, session_id: str) -> Session | None: ...

    async def by_secret_hash(self, secret_hash: str) -> Session | None: ...

    async def add(self, session: Session) -> None: ...

    async def list(self, *, limit: int, before: float | None) -> list[Session]: ...

    async def some(self, session_ids: Collection[str]) -> Mapping[str, Session]:
        """Those that are known, by id."""

    async def renew_secret(self, session_id: str, secret_hash: str) -> None:
        """Another secret opens the session from now on, in place of the one before."""

    async def rebind(self, session: Session) -> None:
        """Store which agent answers in the session now."""

    async def assign(self, session_id: str, person_id: str) -> None:
        """Store the person of a session that has none."""

    async def touch(self, session_id: str, now: float) -> None:
        """A human of this session was here at `now`."""

    async def end(self, session_id: str, now: float) -> bool: ...

    async def of_room(self, room_name: str) -> frozenset[str]:
        """Ids of all sessions that were opened for the room."""

    async def over(self, session_ids: Collection[str]) -> frozenset[str]:
        """The sessions among these that were ended, or are not known (any more)."""


class PeopleStore(Protocol):
    async def add(self, person: StoredPerson) -> None: ...

    async def by_key_hash(self, key_hash: str) -> StoredPerson | None:
        """Includes people whose key is revoked."""

    async def revoke(self, person_id: str, now: float) -> bool:
        """False: there is no such person, or the key was revoked before."""

    async def profile(self, person_id: str) -> Profile:
        """Empty for a person of whom nothing is kept."""

    async def set_name(self, person_id: str, user_name: str, now: float) -> None:
        """Also in the sessions of this person that go on."""

    async def is_known(self, person_id: str) -> bool:
        """Whether a key, a name or a session of this person is kept."""
