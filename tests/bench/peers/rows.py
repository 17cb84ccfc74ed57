"""Figures of the peers benchmark: one row for each thing that is waited for, one column for each system. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.support.report import draw_spreads, spread

ANSWER: Final = "last sound of a question → first sound of the answer"
FIRST: Final = "first visit → greeting audible"
RETURN: Final = "return → greeting audible"


def waits(lines: Iterable[Mapping[str, Any]], row: str) -> list[float | None]:
    """Everything that was waited for, with None for what never came. An answer that began before the question had
    ended is none."""
    if row == ANSWER:
        answers = [answer for line in lines for answer in line["answers"]]
        return [None if answer["over"] else answer["seconds"] for answer in answers]
    return [line["first" if row == FIRST else "return"] for line in lines]


def cell(found: Sequence[float | None]) -> dict[str, float]:
    heard = [one for one in found if one is not None]
    figures: dict[str, float] = spread(heard, digits=2) if heard else {"n": 0}
    return figures | {"never": len(found) - len(heard)}


def summary(lines: Sequence[Mapping[str, Any]], ours: str) -> dict[str, dict[str, Any]]:
    """row → system → figures. `times`: how much longer than ours the median is."""
    systems = list(dict.fromkeys(line["system"] for line in lines))
    of = {system: [line for line in lines if line["system"] == system] for system in systems}
    table: dict[str, dict[str, Any]] = {
        row: {system: cell(waits(of[system], row)) for system in systems} for row in (ANSWER, FIRST, RETURN)
    }
    for row in table.values():
        own = row.get(ours, {}).get("p50")
        for system, found in row.items():
            if own and system != ours and "p50" in found:
                found["times"] = round(found["p50"] / own, 2)
    for system in systems:
        answers = [answer for line in of[system] for answer in line["answers"]]
        table[ANSWER][system]["right"] = sum(answer["right"] for answer in answers)
    return table


def plot(result: Mapping[str, Any], path: Path) -> None:
    rows = {
        f"{row}\n{system}": found
        for row, cells in result["rows"].items()
        for system, found in cells.items()
        if found["n"]
    }
    draw_spreads(rows, path, "seconds")
