"""What memory is made of, in our own words. No vendor type leaves `letta.py`."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from voice_agent.contracts import MemoryScope, ReplyPath


@dataclass(frozen=True, slots=True)
class AgentSummary:
    """A Letta agent as lists and pages show it."""

    id: str
    name: str
    description: str
    model: str
    remembers: str = ""
    """A line of what it knows of its person."""


LINE: Final = 140


def in_a_line(blocks: Mapping[str, str]) -> str:
    """What stands under `human`, short enough for a card."""
    known = " ".join(blocks.get("human", "").split())
    return known if len(known) <= LINE else f"{known[: LINE - 1]}…"


@dataclass(frozen=True, slots=True)
class Block:
    label: str
    value: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All memory blocks of one Letta agent as they were at one moment."""

    letta_agent_id: str
    persona_name: str
    blocks: tuple[Block, ...]
    loaded_at: datetime

    @property
    def version(self) -> str:
        """Changes whenever something that reaches the prompt does."""
        return hashlib.sha256(repr((self.persona_name, self.blocks)).encode()).hexdigest()[:16]


class TurnState(StrEnum):
    OPEN = "open"
    """The assistant is still speaking; becomes pending when it has finished, or when its job is found dead."""
    PENDING = "pending"
    SENDING = "sending"
    """Posted or about to be posted: nobody knows whether Letta has it until Letta was asked."""
    DONE = "done"
    KEPT = "kept"
    """Scope `read_only`: the transcript stays with us and never reaches Letta."""
    PARKED = "parked"
    """Needs a person: Letta refused it, or holds a part of it only. Never blocks what comes after."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One exchange: what a human said and what the assistant was really heard to say."""

    turn_id: str
    thread: str
    """Continuity key: one Letta conversation per thread."""
    session_id: str
    letta_agent_id: str
    episode: int
    user_text: str
    assistant_text: str = ""
    interrupted: bool = False
    tools: tuple[str, ...] = ()
    """Names of those that the answer used."""
    speaker: str = ""
    person_id: str = ""
    """Whose words these are; facts in them belong to this person. Empty: nobody who is known."""
    scope: MemoryScope = MemoryScope.PERSONAL
    path: ReplyPath = ReplyPath.HYBRID
    """`letta`: Letta was asked for the answer, so it may hold the turn already."""
    seq: int = 0
    state: TurnState = TurnState.OPEN
    attempts: int = 0
    note: str = ""
    """Why it is parked."""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as Letta gave it back."""

    role: str
    text: str
    mark: str = ""
    """The `sender_id` it was sent with: names the turn."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Turns to be put into one conversation, in order."""

    conversation_id: str
    turns: tuple[Turn, ...] = field(default=())


def turn_mark(turn_id: str) -> str:
    return f"va:{turn_id}"


class LettaPort(Protocol):
    """What the rest of the system asks of Letta. Errors are Temporary or Permanent."""

    async def list_agents(self) -> list[AgentSummary]: ...

    async def get_agent(self, agent_id: str) -> AgentSummary | None: ...

    async def load_blocks(self, agent_id: str) -> Snapshot:
        """One cheap call, so that it may be repeated to see whether anything has changed."""

    async def create_conversation(self, agent_id: str) -> str: ...

    async def record(self, recording: Recording) -> None:
        """Store exactly these turns. Returns only when Letta confirmed the end of its run."""

    async def run_is_active(self, conversation_id: str) -> bool: ...

    async def messages_after(self, conversation_id: str, mark: str | None) -> list[StoredMessage]:
        """Messages of the conversation, oldest first, behind the last one that carries `mark` (all without one)."""

    async def agent_holds_mark(self, agent_id: str, conversation_id: str, mark: str) -> bool:
        """Whether the agent's own message list has it although the conversation has not (a torn write)."""

    async def has_archive(self, agent_id: str) -> bool: ...

    async def search(self, agent_id: str, query: str) -> list[str]:
        """Passages of archival memory, the most fitting first."""

    def reply(self, conversation_id: str, turn_id: str, text: str) -> AsyncGenerator[str, None]:
        """Letta's own answer as it comes; an empty text says that it has begun.

        Closing it early cancels Letta's run; what Letta kept is then unknown.
        """

    async def recompile(self, conversation_id: str) -> None:
        """Take changed blocks into a conversation that exists; Letta does not do so by itself."""

    async def reflect(self, agent_id: str, instruction: str) -> None:
        """Let the agent work on its memory with its own tools, in a conversation that is thrown away."""
