"""Data types of memory and the port to Letta. Vendor types stay in letta.py and its base classes."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from voice_agent.contracts import MemoryScope, ReplyPath


@dataclass(frozen=True, slots=True)
class AgentSummary:
    """A Letta agent as shown in lists and on pages."""

    id: str
    name: str
    description: str
    model: str
    remembers: str = ""
    """One line of what it knows of its person."""
    made_for: str = ""
    """Id of the assistant of ours that it was made for; empty: somebody else made it."""


LINE: Final = 140


def in_a_line(blocks: Mapping[str, str]) -> str:
    """The `human` block as one line, short enough for a card."""
    known = " ".join(blocks.get(HUMAN, "").split())
    return known if len(known) <= LINE else f"{known[: LINE - 1]}…"


@dataclass(frozen=True, slots=True)
class Block:
    label: str
    value: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All memory blocks of one Letta agent at one moment."""

    letta_agent_id: str
    persona_name: str
    blocks: tuple[Block, ...]
    loaded_at: datetime

    @property
    def version(self) -> str:
        """Changes whenever something that reaches the prompt changes."""
        return hashlib.sha256(repr((self.persona_name, self.blocks)).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A passage of archival memory as read from Letta."""

    id: str
    text: str
    tags: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """A memory block as read from Letta, with the value that `set_block` wrote last."""

    value: str
    written: str | None
    """None: `set_block` never wrote it, so the block is not ours."""


HUMAN: Final = "human"
"""Label of Letta's block about the person; Letta's own tools write to it."""
FACTS: Final = "facts"
"""Label of our block with the newest facts about the person."""


FILES: Final = "files"
"""Pseudo-label for an assistant's files, where blocks are named by label."""


class TurnState(StrEnum):
    OPEN = "open"
    """The assistant is still speaking; becomes PENDING once it has finished, or SENDING once its job is found dead."""
    PENDING = "pending"
    SENDING = "sending"
    """Posted or about to be posted: whether Letta holds it is unknown until Letta is asked."""
    DONE = "done"
    KEPT = "kept"
    """Never reaches Letta: of scope `read_only`, so only the transcript is kept; or forgotten."""
    PARKED = "parked"
    """Given up: Letta refused it, failed on it alone again and again, or holds only a part of it. Never blocks later
    turns."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One exchange: what a person said and what was really heard of the answer."""

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
    """Names of the tools that the answer used."""
    speaker: str = ""
    person_id: str = ""
    """The speaker; facts in the turn belong to them. Empty: the speaker is not known."""
    scope: MemoryScope = MemoryScope.PERSONAL
    path: ReplyPath = ReplyPath.HYBRID
    """`letta`: Letta was asked for the answer, so it may hold the turn already."""
    seq: int = 0
    state: TurnState = TurnState.OPEN
    attempts: int = 0
    note: str = ""
    """Why it is parked."""
    created_at: datetime | None = None
    """By our clock; None: not stored yet."""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as read from Letta."""

    role: str
    text: str
    mark: str = ""
    """The `sender_id` it was sent with: our marker of the turn."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Turns to store in one conversation, in order."""

    conversation_id: str
    turns: tuple[Turn, ...] = field(default=())


def turn_mark(turn_id: str) -> str:
    return f"va:{turn_id}"


_FACT_MARK: Final = "va:fact:"
_TURN_MARK: Final = "va:turn:"


def fact_mark(fact_id: str) -> str:
    """Tag of the passage that holds the fact."""
    return f"{_FACT_MARK}{fact_id}"


def marked_fact(tags: Iterable[str]) -> str | None:
    """Id of the fact that a passage with these tags holds."""
    return next((tag.removeprefix(_FACT_MARK) for tag in tags if tag.startswith(_FACT_MARK)), None)


def fact_turn_mark(turn_id: str) -> str:
    """Tag of a passage whose fact comes from this turn."""
    return f"{_TURN_MARK}{turn_id}"


def marked_turn(tags: Iterable[str]) -> str | None:
    """Id of the turn from which the fact in a passage with these tags comes."""
    return next((tag.removeprefix(_TURN_MARK) for tag in tags if tag.startswith(_TURN_MARK)), None)


def is_fact(tags: Iterable[str]) -> bool:
    return marked_fact(tags) is not None


Copied = Callable[[str], bool]
"""Whether a home gets the assistant's block of this label; for `FILES`: whether it gets the assistant's files."""


class LettaPort(Protocol):
    """Interface to Letta for the rest of the system. Errors are Temporary or Permanent."""

    async def list_agents(self) -> list[AgentSummary]: ...

    async def get_agent(self, agent_id: str) -> AgentSummary | None: ...

    async def load_blocks(self, agent_id: str) -> Snapshot:
        """One cheap call, so that it can be repeated to look for changes."""

    async def create_conversation(self, agent_id: str) -> str: ...

    async def record(self, recording: Recording) -> None:
        """Store exactly these turns. Returns only once Letta has confirmed the end of its run."""

    async def run_is_active(self, conversation_id: str) -> bool: ...

    async def messages_after(self, conversation_id: str, mark: str | None) -> list[StoredMessage]:
        """Messages of the conversation after the last one that carries `mark` (without `mark`: all), oldest first."""

    async def agent_holds_mark(
        self, agent_id: str, conversation_id: str, mark: str, since: datetime | None = None
    ) -> bool:
        """Whether the agent's own message list holds the marker although the conversation does not (a torn write).

        `since`: it was not written earlier, so older messages need not be read.
        """

    async def delete_conversation(self, conversation_id: str) -> None:
        """Delete its messages too, summaries included: no search finds them any more. A missing conversation is no
        error."""

    async def has_archive(self, agent_id: str) -> bool: ...

    async def search(self, agent_id: str, query: str, *, facts: bool = True) -> list[str]:
        """Passages of archival memory, best match first; without `facts`, those that hold a fact about a person are
        left out."""

    def reply(self, conversation_id: str, turn_id: str, text: str) -> AsyncGenerator[str, None]:
        """Letta's own answer as a stream; an empty text says that it has begun.

        Closing it early cancels Letta's run; what Letta kept is then unknown.
        """

    async def recompile(self, conversation_id: str) -> None:
        """Put changed blocks into the prompt of an existing conversation; Letta does not do so by itself."""

    async def recompile_all(self, agent_id: str) -> None:
        """Put changed blocks into the prompts of the agent and all its conversations, so that none keeps old text."""

    async def reflect(self, agent_id: str, instruction: str) -> None:
        """Let the agent work on its memory with its own tools, in a conversation that is deleted afterwards."""

    # --- homes: one agent per (assistant, person), so that Letta's own search tools reach one person only ---

    async def create_home(self, agent_id: str, person_id: str, name: str, copied: Copied) -> str:
        """Copy the assistant without anything about a person, with those of its blocks that are `copied`.

        Not idempotent: call `find_homes` first.
        """

    async def find_homes(self, agent_id: str, person_id: str) -> list[str]:
        """Homes of (assistant, person), oldest first: more than one after two processes created one at once."""

    async def sync_home_blocks(self, agent_id: str, home_id: str, copied: Copied) -> None:
        """Copy those of the assistant's blocks that are `copied` into the home as they are now, by value, except those
        about a person; remove earlier copies that are no longer `copied`."""

    async def delete_agent(self, home_id: str) -> None:
        """Delete a home with its blocks, passages and conversations. Refuses any other agent; a missing one is no
        error."""

    # --- agents that are made for an assistant of ours ---

    async def create_assistant(self, assistant_id: str, name: str, description: str, blocks: Mapping[str, str]) -> str:
        """Create an agent with these blocks, tagged with the assistant's id.

        Not idempotent: call `find_assistants` first.
        """

    async def find_assistants(self, assistant_id: str) -> list[str]:
        """Agents that were made for this assistant, oldest first."""

    async def write_assistant(self, agent_id: str, name: str, description: str, blocks: Mapping[str, str]) -> None:
        """Bring an agent that was made for an assistant up to date. What was added to a block behind our text stays."""

    async def delete_assistant(self, agent_id: str) -> None:
        """Delete an agent that was made for an assistant, as `delete_agent` does a home."""

    # --- passages and blocks ---

    async def add_passage(self, agent_id: str, text: str, tags: Sequence[str], created_at: datetime) -> str:
        """Returns its id. Not idempotent: our tag shows later whether it was stored."""

    async def passages(self, agent_id: str, containing: str = "") -> list[StoredPassage]:
        """All passages, or those that contain this text, oldest first."""

    async def delete_passage(self, agent_id: str, passage_id: str) -> None:
        """A missing passage is no error."""

    async def get_block(self, agent_id: str, label: str) -> StoredBlock | None: ...

    async def set_block(self, agent_id: str, label: str, value: str, description: str) -> None:
        """Write a block that the agent's own tools may not change; create and attach it if it is missing."""
