"""Absences of humans: lost connections, as opposed to leaving, and returns in time to continue. Pure.

A human who is back in time continues the same conversation and is not greeted again. LiveKit's clients also report that
they leave when they replace a broken connection: a human who is back with the token of the same call has not left.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from voice_agent.lifecycle import events as ev
from voice_agent.lifecycle.states import Human

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
"""LiveKit's reasons for an unintended disconnection."""
_GOODBYE: Final = "client_initiated"
"""Reported for a person who leaves, and for a client that replaces its connection."""


@dataclass(frozen=True, slots=True)
class Absence:
    since: float
    call: str = ""
    """After a reported leave, only the same call counts as back. Empty: the connection broke, any call counts."""


Lost = Mapping[str, Absence]
"""By identity."""


def lost_now(
    lost: Lost, event: ev.Event, gone: Collection[Human], now: float, *, heard_out: bool, everybody: bool
) -> Lost:
    """`lost`, after `event` removed `gone`. `heard_out`: they were in a conversation whose greeting was done.

    If the last human (`everybody` is gone) leaves, earlier absences are dropped: the conversation is over.
    """
    if _is_loss(event):
        return {**lost, **{human.identity: Absence(now) for human in gone}} if heard_out else lost
    callers = [human for human in gone if human.call] if _may_connect_anew(event) else []
    if heard_out:
        new = {human.identity: Absence(now, human.call) for human in callers}
    else:
        again = [human for human in callers if _is_theirs(lost.get(human.identity), human)]
        new = {human.identity: Absence(lost[human.identity].since, human.call) for human in again}
    left = {human.identity for human in gone}
    others = {} if everybody else {identity: one for identity, one in lost.items() if identity not in left}
    return others | new


def goes_on(lost: Lost, present: tuple[Human, ...], now: float, within: float) -> bool:
    """Whether all humans present were lost recently enough to continue the conversation."""
    return bool(present) and all(_is_back(lost.get(human.identity), human, now, within) for human in present)


def _is_loss(event: ev.Event) -> bool:
    """Whether they went without reporting it. Humans missing after the agent's own outage count as lost."""
    if isinstance(event, ev.HumanLeft):
        return event.reason in _BROKEN
    return isinstance(event, ev.HumansScanned)


def _may_connect_anew(event: ev.Event) -> bool:
    return isinstance(event, ev.HumanLeft) and event.reason == _GOODBYE


def _is_theirs(absence: Absence | None, human: Human) -> bool:
    return absence is not None and absence.call in ("", human.call)


def _is_back(absence: Absence | None, human: Human, now: float, within: float) -> bool:
    return absence is not None and _is_theirs(absence, human) and now - absence.since <= within
