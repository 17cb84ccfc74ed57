"""Criticality of each task and each effect of a job: essential to the conversation, or optional.

Essential: without it the assistant would be useless or would break a promise; it leaves, and its lease says why.
Optional: its failure is logged with a code, with a notice where a person should know; the conversation goes on.
A task has failed if it raises, takes longer than its rule says, or is cancelled by code other than its owner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from voice_agent.contracts import Weight
from voice_agent.errors import Code, Temporary, VoiceAgentError


@dataclass(frozen=True, slots=True)
class Rule:
    weight: Weight
    said: str = ""
    """What the page says when an optional one fails; empty: the user would not miss it."""
    within: float | None = None
    """Seconds until it is cancelled. None: it lasts as long as its owner, or the lifecycle has a deadline for it."""


_ESSENTIAL: Final = Rule(Weight.ESSENTIAL)
_OPTIONAL: Final = Rule(Weight.OPTIONAL)
_SOON: Final = Rule(Weight.OPTIONAL, within=15.0)
"""Longer than the waits for the database or Letta inside of it."""
_IN_TIME: Final = Rule(Weight.OPTIONAL, within=60.0)

RULES: Final[Mapping[str, Rule]] = {
    # of a job
    "connect": _ESSENTIAL,
    "listen": _ESSENTIAL,
    "lease": _ESSENTIAL,
    "announce": _ESSENTIAL,  # without it no client knows that the assistant is there
    "publish-voice": _ESSENTIAL,
    "look-up": _SOON,  # it is repeated: a human neither admitted nor removed waits in silence
    "notice": _SOON,
    "recall-note": _SOON,
    "remember-greeted": _SOON,
    "typed": Rule(Weight.OPTIONAL, "A typed message could not be read.", within=32.0),
    # of an episode
    "look-back": _SOON,
    "prepare-greeting": _IN_TIME,
    "warm-recogniser": _IN_TIME,
    "follow-memory": Rule(Weight.OPTIONAL, "Changes of the memory in Letta are noticed only after the next visit."),
    "recall": _SOON,
    "recall-refresh": _IN_TIME,
    "prewarm-prompt": _OPTIONAL,
    "answers-ahead": _OPTIONAL,
    "take-up": Rule(Weight.OPTIONAL, "What was said last is lost. Please say it again.", within=15.0),
    "reassure": _OPTIONAL,
    "between-turns": _IN_TIME,
    # of a turn
    "turn": Rule(Weight.OPTIONAL, "What was just said may not be remembered.", within=30.0),
    "forget": Rule(Weight.OPTIONAL, "What was to be forgotten is not forgotten yet.", within=60.0),
    # effects that take time
    "LoadMemory": _ESSENTIAL,
    "StopSpeech": _ESSENTIAL,
    "CancelEpisodeTasks": _ESSENTIAL,
    "ClearHistory": _ESSENTIAL,  # the next visit must not hear of the last one
    "Greet": _OPTIONAL,
    "Resume": _OPTIONAL,  # the last turns are in the prompt all the same
    "AllowReflection": _SOON,
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
    """The rule for a task's whole name, "owner:name" or "owner:name/detail"."""
    return RULES[task.rpartition(":")[2].partition("/")[0]]


def as_ours(task: str, error: BaseException) -> VoiceAgentError:
    """The error with a message for users: the text of a foreign exception may hold secrets."""
    if isinstance(error, VoiceAgentError):
        return error
    return Temporary(  # another agent may not meet it
        Code.AGENT_FAILS,
        f"{task.rpartition(':')[2].partition('/')[0]} failed ({type(error).__name__}).",
        "The log of the worker has the details.",
    )
