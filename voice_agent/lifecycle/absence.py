"""Absences: whose connection broke, as opposed to who left, and who of them is back in time to go on.

Pure. Who comes back in time meets the same conversation, and is not greeted again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from voice_agent.lifecycle import events as ev
from voice_agent.lifecycle.states import Human

Lost = Mapping[str, float]
"""Identity of who was lost → when."""

_BROKEN: Final = frozenset(
    {
        "connection_timeout",
        "signal_close",
        "media_failure",
        "state_mismatch",
        "migration",
        "server_shutdown",
        "unknown_reason",
        "duplicate_identity",  # a new connection of the same session came before the old one was missed
    }
)
"""LiveKit's reasons for a disconnection that nobody wished for."""


def is_loss(event: ev.Event) -> bool:
    """Whether who is gone after `event` did not say so. Who was missing after our own absence is not known to have."""
    if isinstance(event, ev.HumanLeft):
        return event.reason in _BROKEN
    return isinstance(event, ev.HumansScanned)


def lost_now(lost: Lost, gone: frozenset[str], now: float, *, broken: bool, everybody: bool) -> Lost:
    """`lost`, after the identities `gone` went: with them if their connection broke. A last one who leaves takes the
    conversation along."""
    if broken:
        return {**lost, **dict.fromkeys(gone, now)}
    return {} if everybody else {identity: at for identity, at in lost.items() if identity not in gone}


def goes_on(lost: Lost, present: tuple[Human, ...], now: float, within: float) -> bool:
    """Whether everybody who is here was lost so lately that the conversation is still theirs."""
    return bool(present) and all(now - lost.get(human.identity, float("-inf")) <= within for human in present)
