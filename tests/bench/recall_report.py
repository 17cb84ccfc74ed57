"""Report of scripts/bench.sh recall: counts with intervals, a plot, and the transcript of every miss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.bench.recall_people import VISITS
from tests.bench.recall_score import Outcome, interval
from tests.bench.recall_words.template import Kind
from tests.support.report import drawing, machine, spread

UNTOLD = "untold"
TWO_PEOPLE = "two people"
Line = dict[str, Any]
"""One question and its result (recall_talk.py)."""


def summary(people: Sequence[dict[str, Any]]) -> dict[str, Any]:
    lines = [line for person in people for line in person["lines"]]
    asked = [line for line in lines if "outcome" in line]
    told = [line for line in asked if line["condition"] not in (UNTOLD, TWO_PEOPLE)]
    conditions = list(dict.fromkeys(line["condition"] for line in told))
    return {
        "machine": machine(),
        "people": len(people),
        "seeds": [person["seed"] for person in people],
        "all": figures(told),
        "conditions": {name: figures(_of(told, "condition", name)) for name in conditions},
        "kinds": {kind: figures(_of(told, "kind", kind)) for kind in Kind if _of(told, "kind", kind)},
        "kinds by condition": {
            name: {
                kind: share(right(some)) for kind in Kind if (some := _of(_of(told, "condition", name), "kind", kind))
            }
            for name in conditions
        },
        "corrections": share(right(_of(told, "kind", Kind.CORRECTION))),
        "untold": _untold(_of(asked, "condition", UNTOLD)),
        "two people": _two_people(_of(lines, "condition", TWO_PEOPLE)),
        "learning": _learning([visit for person in people for visit in person["visits"]]),
        "failed": [line["failed"] for line in lines if "failed" in line],
    }


def _of(lines: Iterable[Line], field: str, value: str) -> list[Line]:
    return [line for line in lines if line.get(field) == value]


def right(lines: Iterable[Line]) -> list[bool]:
    return [line["outcome"] == Outcome.RIGHT for line in lines]


def share(hits: Sequence[bool]) -> dict[str, Any]:
    count = sum(hits)
    return {"count": count, "of": len(hits), "share": round(count / len(hits), 4) if hits else None} | {
        "interval": interval(count, len(hits))
    }


def figures(lines: Sequence[Line]) -> dict[str, Any]:
    outcomes = Counter(line["outcome"] for line in lines)
    retrieved = [line["retrieved"] for line in lines if line["retrieved"] is not None]
    waits = [line["first_piece_s"] for line in lines if line["first_piece_s"] is not None]
    found: dict[str, Any] = {
        "right": share(right(lines)),
        "wrong": outcomes[Outcome.WRONG],
        "admitted": outcomes[Outcome.ADMITTED],
        "without an answer": sum(not line["answer"] for line in lines),
        "wrong person": share([line["wrong_person"] for line in lines]),
        "retrieved": share(retrieved),
    }
    return found | ({"first piece, seconds": spread(waits, digits=2)} if waits else {})


def _untold(lines: Sequence[Line]) -> dict[str, Any]:
    return {
        "admitted": share([line["outcome"] == Outcome.ADMITTED for line in lines]),
        "invented": share([line["outcome"] == Outcome.INVENTED for line in lines]),
        "wrong person": share([line["wrong_person"] for line in lines]),
    }


def _two_people(lines: Sequence[Line]) -> dict[str, Any]:
    lines = [line for line in lines if "about" in line]
    own = _of(lines, "about", "own")
    return {
        "leaks in an answer": share([bool(line["leaks"]) for line in lines]),
        "leaks in the facts given": share([bool(line["leaks_in_facts"]) for line in lines]),
        "own facts": figures(own) if own else None,
    }


def _learning(visits: Sequence[dict[str, Any]]) -> dict[str, Any]:
    waits = [visit["seconds"] for visit in visits]
    last = [visit for visit in visits if visit["visit"] == VISITS]
    return {
        "seconds after leaving": spread(waits, digits=1) if waits else None,
        "not worked out": sum(visit["pending"] for visit in visits),
        "parked": sum(visit["parked"] for visit in last),
    }


# --- the plot ---


def plot(result: dict[str, Any], path: Path) -> None:
    rows = {name: one["right"] for name, one in (result["conditions"] | result["kinds"]).items()}
    rows |= {f"{name}, facts given": one["retrieved"] for name, one in result["conditions"].items()}
    rows |= {"untold, admitted": result["untold"]["admitted"], "wrong person": result["all"]["wrong person"]}
    rows = {name: row for name, row in rows.items() if row["of"]}
    with drawing(path, 9, 0.35 * len(rows) + 1.5) as axes:
        for place, row in enumerate(rows.values()):
            axes.plot(row["interval"], [place, place], color="#3b6ea5", linewidth=5, alpha=0.4)
            axes.plot(row["share"], place, "o", color="#3b6ea5")
            axes.annotate(f" {row['count']} of {row['of']}", (row["interval"][1], place), va="center", fontsize=8)
        axes.set_yticks(range(len(rows)), list(rows))
        axes.invert_yaxis()
        axes.set_xlim(-0.02, 1.15)
        axes.set_xlabel("share of the questions, with its 95 % interval")


# --- every miss ---


def misses(people: Sequence[dict[str, Any]]) -> str:
    parts = []
    for person in people:
        for line in person["lines"]:
            if "failed" in line:
                parts.append(f"seed {person['seed']}, {line['condition']}: {line['failed']}\n")
            elif faults := [name for name, is_one in FAULTS.items() if is_one(line)]:
                parts.append(_transcript(person["seed"], line, faults))
    return "\n".join(parts)


def _wrong(line: Line) -> bool:
    good = Outcome.ADMITTED if line["condition"] == UNTOLD else Outcome.RIGHT
    return bool(line.get("about") != "other" and line["outcome"] != good)


FAULTS: dict[str, Callable[[Line], bool]] = {
    "answer": _wrong,
    "wrong person": lambda line: bool(line["wrong_person"]),
    "leak": lambda line: bool(line.get("leaks") or line.get("leaks_in_facts")),
}


def _transcript(seed: int, line: Line, faults: Sequence[str]) -> str:
    said = "".join(f"  told      {text}\n" for text in line["told"])
    facts = "nothing was said" if line["facts"] is None else "; ".join(line["facts"]) or "none"
    leaks = f"  leaks     {line['leaks']}, in the facts {line['leaks_in_facts']}\n" if "leak" in faults else ""
    return (
        f"seed {seed}, {line['condition']}, {line['kind']} ({line['attribute']}): {', '.join(faults)}\n{said}"
        f"  asked     {line['question']}\n"
        f"  expected  {line['expected']}\n"
        f"  facts     {facts}\n"
        f"  answer    {line['answer'] or '(none in time)'}\n"
        f"  verdict   {line['outcome']}{', wrong person' if line['wrong_person'] else ''}\n{leaks}"
    )
