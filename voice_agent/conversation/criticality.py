"""What is essential to a conversation, and what is optional: one entry for each task and each effect of a job.

Essential: without it the assistant would be present and of no use, or would break a promise; it leaves, and its lease
says why. Optional: its failure is logged with a code, and said where a person should know; the conversation goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from voice_agent.errors import Code, Temporary, VoiceAgentError


class Weight(Enum):
    ESSENTIAL = "essential"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True)
class Rule:
    weight: Weight
    said: str = ""
    """What the page says when an optional one fails; empty: it costs nobody anything that they would miss."""


_ESSENTIAL: Final = Rule(Weight.ESSENTIAL)
_OPTIONAL: Final = Rule(Weight.OPTIONAL)

RULES: Final[Mapping[str, Rule]] = {
    # of a job
    "lease": _ESSENTIAL,
    "announce": _ESSENTIAL,  # nobody would know that the assistant is there
    "publish-voice": _ESSENTIAL,
    "look-up": _OPTIONAL,  # who is not let in is removed by the room-health monitor, too
    "notice": _OPTIONAL,
    "recall-note": _OPTIONAL,
    "remember-greeted": _OPTIONAL,
    "typed": Rule(Weight.OPTIONAL, "A typed message could not be read."),
    # of an episode
    "look-back": _OPTIONAL,
    "prepare-greeting": _OPTIONAL,
    "follow-memory": Rule(Weight.OPTIONAL, "Changes of the memory in Letta are noticed only after the next visit."),
    "recall": _OPTIONAL,
    "recall-refresh": _OPTIONAL,
    "read-ahead": _OPTIONAL,
    "reassure": _OPTIONAL,
    "between-turns": _OPTIONAL,
    # of a turn
    "turn": Rule(Weight.OPTIONAL, "What was just said may not be remembered."),
    "forget": Rule(Weight.OPTIONAL, "What was to be forgotten is not forgotten yet."),
    # effects that take time
    "LoadMemory": _ESSENTIAL,
    "StopSpeech": _ESSENTIAL,
    "CancelEpisodeTasks": _ESSENTIAL,
    "ClearHistory": _ESSENTIAL,  # whoever comes next must not hear of the last one
    "Greet": _OPTIONAL,
    "Resume": _OPTIONAL,  # the last turns stand in the prompt all the same
    "Maintain": _OPTIONAL,
    # effects that are performed at once
    "AcknowledgeReset": _ESSENTIAL,
    "LinkTo": _ESSENTIAL,
    "Rescan": _ESSENTIAL,
    "AnnounceState": _ESSENTIAL,
    "LeaveRoom": _ESSENTIAL,
    "RebindAgent": _ESSENTIAL,
    "StartTimer": _ESSENTIAL,
    "CancelTimer": _ESSENTIAL,
    "AcknowledgeArrival": _OPTIONAL,
    "Dropped": _OPTIONAL,
}


def rule_of(task: str) -> Rule:
    """Of a task's whole name, "owner:name" or "owner:name/detail"."""
    return RULES[task.rpartition(":")[2].partition("/")[0]]


def as_ours(task: str, error: BaseException) -> VoiceAgentError:
    """In words made for people: what others' exceptions say may hold secrets."""
    if isinstance(error, VoiceAgentError):
        return error
    return Temporary(  # another agent may not meet it
        Code.AGENT_FAILS,
        f"{task.rpartition(':')[2].partition('/')[0]} failed ({type(error).__name__}).",
        "The log of the worker has the details.",
    )
