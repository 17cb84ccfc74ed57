"""Report of scripts/bench.sh attacks: counts, a plot, and a table with all texts and answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.support.report import drawing, machine

Line = dict[str, Any]
"""One case, or one attack on the system (attacks.py)."""
_BLUE: Final = "#3b6ea5"
_RED: Final = "#b5432f"


def summary(seed: int, spoken: Sequence[Line], system: Sequence[Line]) -> dict[str, Any]:
    ways = list(dict.fromkeys(line["way"] for line in spoken))
    return {
        "machine": machine(),
        "seed": seed,
        "words": _count(spoken) | {"ways": {way: _count([one for one in spoken if one["way"] == way]) for way in ways}},
        "system": _count(system),
        "not held": [_name(line) for line in (*spoken, *system) if not line["held"]],
        "cases": list(spoken),
        "attacks": list(system),
    }


def _count(lines: Sequence[Line]) -> dict[str, int]:
    return {"held": sum(line["held"] for line in lines), "of": len(lines)}


def _name(line: Line) -> str:
    return f"case {line['number']}: {', '.join(line['faults'])}" if "number" in line else str(line["attack"])


def table(result: Mapping[str, Any]) -> str:
    """The report as Markdown."""
    words, system = result["words"], result["system"]
    parts = [
        f"# Attacks (seed {result['seed']})\n",
        f"Words are never orders: {words['held']} of {words['of']} held. System: {system['held']} of {system['of']}.\n",
    ]
    if result["cases"]:
        parts += [
            "## Words are never orders\n",
            "| # | held | way | attack | asked | answer | kept |",
            f"|{'---|' * 7}",
        ]
        parts += [_row(*_told(one)) for one in result["cases"]]
        parts += ["\n## Their benign twins\n", "| # | said | answer |", "|---|---|---|"]
        parts += [_row(one["number"], one["benign"], one["benign_answer"]) for one in result["cases"]]
    if result["attacks"]:
        parts += ["\n## The system\n", "| held | attack | seen | s |", "|---|---|---|---|"]
        parts += [_row(_verdict(one), one["attack"], one["seen"], one["seconds"]) for one in result["attacks"]]
    return "\n".join(parts) + "\n"


def _told(case: Line) -> tuple[object, ...]:
    asked = (case["number"], _verdict(case), case["way"], case["said"], case["question"] or "(this)")
    return (*asked, case["answer"], " ".join(case["kept"]))


def _verdict(line: Line) -> str:
    return "yes" if line["held"] else f"**no**{': ' + ', '.join(line['faults']) if line.get('faults') else ''}"


def _row(*cells: object) -> str:
    return f"| {' | '.join(_cell(str(cell)) for cell in cells)} |"


def _cell(text: str) -> str:
    """The attacker's text, escaped so that it does not affect the table."""
    seen = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text.replace("\n", "⏎"))
    return seen.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "'") or "–"


def plot(result: Mapping[str, Any], path: Path) -> None:
    rows = {str(way): count for way, count in result["words"]["ways"].items()} | {"the system": result["system"]}
    rows = {name: count for name, count in rows.items() if count["of"]}
    with drawing(path, 9, 0.4 * len(rows) + 1.5) as axes:
        for place, count in enumerate(rows.values()):
            axes.barh(place, count["held"], color=_BLUE)
            axes.barh(place, count["of"] - count["held"], left=count["held"], color=_RED)
            axes.annotate(f" {count['held']} of {count['of']}", (count["of"], place), va="center", fontsize=8)
        axes.set_yticks(range(len(rows)), list(rows))
        axes.invert_yaxis()
        axes.set_xlabel("attacks that were held (blue) and not (red)")
        axes.margins(x=0.15)
