"""Rendering of a log line for people: aligned, coloured on a terminal, plain when piped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

COLOURS: Final = (
    ("lifecycle.illegal", "31"),
    ("lifecycle.", "2"),
    ("human.", "36"),
    ("reset.", "33"),
    ("memory.failed", "31"),
    ("memory.", "35"),
    ("turn.", "32"),
    ("greeting.", "32"),
    ("notice", "31"),
    ("dispatch.failed", "31"),
    ("dispatch.", "34"),
    ("lease.", "34"),
    ("room.", "34"),
)


def render(line: Mapping[str, Any], *, colour: bool) -> str:
    event = str(line.get("event", "?"))
    code = next((code for start, code in COLOURS if event.startswith(start)), "")
    shown = f"{event:<22}"
    if colour and code:
        shown = f"\x1b[{code}m{shown}\x1b[0m"
    where = f"{_clock(line.get('time', ''))}  {line.get('process', '?'):<8} {_cut(line.get('room'), 18)}"
    lost = f"  ({line['lost']} lines before this one could not be written)" if line.get("lost") else ""
    return f"{where} {line.get('episode', 0):>4}  {shown} {_details(event, line.get('fields') or {})}".rstrip() + lost


def _clock(stamp: Any) -> str:
    try:
        return datetime.fromisoformat(str(stamp)).astimezone().strftime("%H:%M:%S.%f")[:-3]
    except ValueError:
        return f"{stamp!s:<12}"


def _cut(value: Any, width: int = 18) -> str:
    text = str(value or "-")
    return f"{text if len(text) <= width else text[: width - 1] + '…':<{width}}"


def _details(event: str, fields: Mapping[str, Any]) -> str:
    if event == "lifecycle.transition":
        moved = "" if fields.get("from") == fields.get("to") else f"{fields.get('from')} → {fields.get('to')}  "
        return f"{moved}{fields.get('trigger')}, humans {fields.get('humans')}, memory {fields.get('memory')}"
    return "  ".join(f"{name}={_value(value)}" for name, value in fields.items() if name != "life" and value != {})


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
