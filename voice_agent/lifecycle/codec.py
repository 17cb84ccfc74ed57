"""Codec of events to plain data and back, for the replay of a log. Strict both ways: an unknown name is an error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from typing import Any, Final

from voice_agent.lifecycle import events as ev
from voice_agent.lifecycle.states import Human, Timer

EVENTS: Final[Mapping[str, type[ev.Event]]] = {
    name: kind
    for name, kind in vars(ev).items()
    if isinstance(kind, type) and issubclass(kind, ev.Event) and kind not in (ev.Event, ev.EpisodeEvent)
}


def plain(value: Any) -> Any:
    """A field's value as JSON-ready data; sets are sorted so that equal facts give equal lines."""
    if isinstance(value, Human):
        # Without the name: a log does not need it.
        return {"sid": value.sid, "identity": value.identity, "kind": value.kind, "call": value.call}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, frozenset):
        return sorted(plain(item) for item in value)
    return value


def dump(event: ev.Event) -> dict[str, Any]:
    return {"name": type(event).__name__, **{item.name: plain(getattr(event, item.name)) for item in fields(event)}}


def _human(data: Mapping[str, Any]) -> Human:
    return Human(data["sid"], data["identity"], data["kind"], call=data.get("call", ""))  # older logs have none


_READERS: Final[Mapping[str, Any]] = {
    "human": _human,
    "humans": lambda items: tuple(_human(item) for item in items),
    "greeted": frozenset,
    "timer": Timer,
}


def load(data: Mapping[str, Any]) -> ev.Event:
    """Raises KeyError, TypeError or ValueError when `data` is no event."""
    values = {key: _READERS[key](value) if key in _READERS else value for key, value in data.items() if key != "name"}
    return EVENTS[data["name"]](**values)
