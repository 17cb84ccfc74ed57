"""Audiences: who hears which part of an assistant's memory. Pure; every path to a caller asks here.

Rank decides which blocks of an assistant are heard: its owner, known people, strangers. What a person told is theirs,
whatever their rank. A browser key proves that it is the same browser, not who uses it: its person is a stranger with a
memory of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Final

from voice_agent.contracts import PERSONAL_LABELS, AgentBinding, Audience, JobMetadata, RoomPolicy
from voice_agent.memory.model import FACTS, FILES, Block, Snapshot


class Rank(IntEnum):
    STRANGER = 0
    KNOWN = 1
    OWNER = 2


RANKS: Final[Mapping[str, Rank]] = {"owner": Rank.OWNER, "user": Rank.KNOWN, "browser": Rank.STRANGER}
"""Rank of each kind of person (registry/people.py) that can be met again and so has a memory of its own. Any other
caller, known for one session or not at all, is a stranger without one."""
_NEEDED: Final[Mapping[Audience, Rank]] = {
    Audience.EVERYONE: Rank.STRANGER,
    Audience.KNOWN: Rank.KNOWN,
    Audience.OWNER: Rank.OWNER,
}
DEFAULT: Final[Mapping[str, Audience]] = {"persona": Audience.EVERYONE, "task": Audience.EVERYONE}
"""What the assistant is and does. Any other block may tell about a person: only the owner hears it, unless the
assistant's configuration says otherwise."""


def has_memory(person_id: str) -> bool:
    """Whether what this person says is kept for them."""
    return _kind(person_id) in RANKS


@dataclass(frozen=True, slots=True)
class Listener:
    """The hearer in a conversation with one assistant: one person, or the people of a shared room."""

    person_id: str = ""
    audience: Mapping[str, Audience] = field(default_factory=dict)
    """From the assistant's configuration."""
    rank: Rank = Rank.STRANGER
    several: bool = False
    """Several people may listen: no person's own memory is heard unasked."""

    @classmethod
    def of(cls, person_id: str, audience: Mapping[str, Audience]) -> Listener:
        return cls(person_id, audience, RANKS.get(_kind(person_id), Rank.STRANGER))

    @classmethod
    def in_room(cls, job: JobMetadata, agent: AgentBinding) -> Listener:
        """Hearer of what every answer in the room may draw on. A room that a business shares is open to all whom it
        vouches for: what only one of them may hear is not said there unasked."""
        if job.policy is RoomPolicy.SHARED and job.business_id:
            return cls("", agent.audience, Rank.KNOWN, several=True)
        return cls.of(job.person_id, agent.audience)

    @property
    def has_memory(self) -> bool:
        return has_memory(self.person_id)

    def hears(self, label: str) -> bool:
        """Whether a block of the assistant's own agent is heard; blocks about a person there are about its owner."""
        return self.rank >= _NEEDED[self._wanted(label)]

    def _wanted(self, label: str) -> Audience:
        return Audience.OWNER if label in PERSONAL_LABELS else self.audience.get(label, _by_default(label))

    def told_about(self, heard: Snapshot) -> list[Block]:
        """Blocks that may tell about this person: all that nobody else hears, but for our block `facts`, which repeats
        our own records."""
        return [block for block in heard.blocks if self._wanted(block.label) is Audience.OWNER and block.label != FACTS]

    def of_assistant(self, assistant: Snapshot) -> Snapshot:
        """What is heard of the assistant's own memory."""
        return replace(assistant, blocks=tuple(block for block in assistant.blocks if self.hears(block.label)))

    def copies(self, assistant: Snapshot) -> str:
        """Version of what a home of this listener holds of the assistant."""
        return f"{self.of_assistant(assistant).version}{'+' if self.hears(FILES) else '-'}{FILES}"

    def of_both(self, assistant: Snapshot, home: Snapshot | None) -> Snapshot:
        """Together with what is known of this person, which is in their home."""
        heard = self.of_assistant(assistant)
        own = tuple(block for block in (home.blocks if home else ()) if block.label in PERSONAL_LABELS)
        return replace(heard, blocks=(*heard.blocks, *own))


NOBODY: Final = Listener()
"""Where neither the listener nor the configuration is known."""


def heard_by_everyone(label: str) -> bool:
    return NOBODY.hears(label)


def _by_default(label: str) -> Audience:
    return DEFAULT.get(label, Audience.OWNER)


def _kind(person_id: str) -> str:
    return person_id.partition(":")[0]
