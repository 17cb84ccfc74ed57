"""Absences: whose connection broke, as opposed to who left, and who of them is back in time to go on.

Pure. Who comes back in time meets the same conversation, and is not greeted again. LiveKit's clients say goodbye, too,
when they replace a broken connection by a new one: nobody has left who is back with the token of the same call.
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
"""LiveKit's reasons for a disconnection that nobody wished for."""
_GOODBYE: Final = "client_initiated"
"""Said by a person who leaves, and by a client that connects anew."""


@dataclass(frozen=True, slots=True)
class Absence:
    since: float
    call: str = ""
    """Who said goodbye is back only with the same call. Empty: the connection broke, and any call will do."""


Lost = Mapping[str, Absence]
"""By identity."""


def lost_now(
    lost: Lost, event: ev.Event, gone: Collection[Human], now: float, *, heard_out: bool, everybody: bool
) -> Lost:
    """`lost`, after `event` took `gone` away. `heard_out`: out of a conversation that had begun with its greeting.

    A last one who says goodbye takes the conversation along.
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
    """Whether everybody who is here was lost so lately that the conversation is still theirs."""
    return bool(present) and all(_is_back(lost.get(human.identity), human, now, within) for human in present)


def _is_loss(event: ev.Event) -> bool:
    """Whether who is gone did not say so. Who was missing after our own absence is not known to have."""
    if isinstance(event, ev.HumanLeft):
        return event.reason in _BROKEN
    return isinstance(event, ev.HumansScanned)


def _may_connect_anew(event: ev.Event) -> bool:
    return isinstance(event, ev.HumanLeft) and event.reason == _GOODBYE


def _is_theirs(absence: Absence | None, human: Human) -> bool:
    return absence is not None and absence.call in ("", human.call)


def _is_back(absence: Absence | None, human: Human, now: float, within: float) -> bool:
    return absence is not None and _is_theirs(absence, human) and now - absence.since <= within
