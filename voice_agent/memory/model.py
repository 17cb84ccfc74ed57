"""What memory is made of, in our own words. No vendor type leaves `letta.py`."""

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
    known = " ".join(blocks.get(HUMAN, "").split())
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


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A passage of an agent's archival memory as Letta gave it back."""

    id: str
    text: str
    tags: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """A memory block as Letta gave it back, beside what `set_block` wrote into it last."""

    value: str
    written: str | None
    """None: `set_block` never wrote it, so it belongs to somebody else."""


HUMAN: Final = "human"
"""Label of Letta's block about the person; Letta's own tools write there."""
FACTS: Final = "facts"
"""Label of our block with the newest facts about the person."""


FILES: Final = "files"
"""Stands for the files of an assistant where blocks are named by label."""


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
    created_at: datetime | None = None
    """By our clock; None: not stored yet."""


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


_FACT_MARK: Final = "va:fact:"
_TURN_MARK: Final = "va:turn:"


def fact_mark(fact_id: str) -> str:
    """The tag of the passage that holds the fact."""
    return f"{_FACT_MARK}{fact_id}"


def marked_fact(tags: Iterable[str]) -> str | None:
    """Id of the fact that a passage with these tags holds."""
    return next((tag.removeprefix(_FACT_MARK) for tag in tags if tag.startswith(_FACT_MARK)), None)


def fact_turn_mark(turn_id: str) -> str:
    """The tag of a passage with a fact that this turn told."""
    return f"{_TURN_MARK}{turn_id}"


def marked_turn(tags: Iterable[str]) -> str | None:
    """Id of the turn that told the fact in a passage with these tags."""
    return next((tag.removeprefix(_TURN_MARK) for tag in tags if tag.startswith(_TURN_MARK)), None)


def is_fact(tags: Iterable[str]) -> bool:
    return marked_fact(tags) is not None


Copied = Callable[[str], bool]
"""Which blocks of an assistant, by label, a home gets; and under `FILES` whether it gets the assistant's files."""


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

    async def agent_holds_mark(
        self, agent_id: str, conversation_id: str, mark: str, since: datetime | None = None
    ) -> bool:
        """Whether the agent's own message list has it although the conversation has not (a torn write).

        `since`: it was not written earlier, so older messages need not be read."""

    async def delete_conversation(self, conversation_id: str) -> None:
        """With what was said in it, summaries included: nobody finds it any more. Nothing happens when it is gone."""

    async def has_archive(self, agent_id: str) -> bool: ...

    async def search(self, agent_id: str, query: str, *, facts: bool = True) -> list[str]:
        """Passages of archival memory, the most fitting first; without `facts`, not those that tell about a person."""

    def reply(self, conversation_id: str, turn_id: str, text: str) -> AsyncGenerator[str, None]:
        """Letta's own answer as it comes; an empty text says that it has begun.

        Closing it early cancels Letta's run; what Letta kept is then unknown.
        """

    async def recompile(self, conversation_id: str) -> None:
        """Take changed blocks into a conversation that exists; Letta does not do so by itself."""

    async def recompile_all(self, agent_id: str) -> None:
        """Take changed blocks into the agent's own prompt and all its conversations, so that none keeps old text."""

    async def reflect(self, agent_id: str, instruction: str) -> None:
        """Let the agent work on its memory with its own tools, in a conversation that is thrown away."""

    # --- homes: one agent for each (assistant, person), so that Letta's own search tools reach one person only ---

    async def create_home(self, agent_id: str, person_id: str, name: str, copied: Copied) -> str:
        """A copy of the assistant that knows nothing of a person yet, with those blocks of it that are `copied`.

        Not idempotent: look with `find_homes` before."""

    async def find_homes(self, agent_id: str, person_id: str) -> list[str]:
        """Those of (assistant, person), the oldest first: more than one when two processes made one at once."""

    async def sync_home_blocks(self, agent_id: str, home_id: str, copied: Copied) -> None:
        """Give the home those blocks of the assistant that are `copied` as they are now, by value, except those about a
        person; take away those that it was given before and that are not."""

    async def delete_agent(self, home_id: str) -> None:
        """Delete a home with its blocks, passages and conversations. Refuses any other agent; a missing one is fine."""

    # --- passages and blocks ---

    async def add_passage(self, agent_id: str, text: str, tags: Sequence[str], created_at: datetime) -> str:
        """Returns its id. Not idempotent: a tag of ours says later whether it is there."""

    async def passages(self, agent_id: str, containing: str = "") -> list[StoredPassage]:
        """All of them, or those with this text inside, the oldest first."""

    async def delete_passage(self, agent_id: str, passage_id: str) -> None:
        """Nothing happens when it is gone already."""

    async def get_block(self, agent_id: str, label: str) -> StoredBlock | None: ...

    async def set_block(self, agent_id: str, label: str, value: str, description: str) -> None:
        """Write a block that the agent's own tools may not change; made and attached when it is not there."""
