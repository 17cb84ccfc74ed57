"""Results of a benchmark: figures as JSON, with the machine's load, and a plot."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

_BLUE: Final = "#3b6ea5"


def spread(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    ordered = sorted(values)
    at = {"p50": len(ordered) // 2, "p95": min(len(ordered) - 1, int(len(ordered) * 0.95)), "max": -1}
    return {"n": len(ordered)} | {name: round(ordered[place], digits) for name, place in at.items()}


def machine() -> dict[str, Any]:
    return {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 2)}


@contextmanager
def drawing(path: Path, width: float, height: float) -> Iterator[Any]:
    """Yields the axes to draw on; the file is written at the end."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(width, height))
    yield axes
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def draw_spreads(rows: Mapping[str, Mapping[str, float]], path: Path, label: str, scale: str = "linear") -> None:
    """A line for each row, from its median to its p95."""
    with drawing(path, 9, 0.6 * len(rows) + 1.5) as axes:
        for place, row in enumerate(rows.values()):
            axes.plot([row["p50"], row["p95"]], [place, place], color=_BLUE, linewidth=6, alpha=0.4)
            axes.plot(row["p50"], place, "o", color=_BLUE)
            axes.annotate(f" p95 {row['p95']:g} (n={row['n']})", (row["p95"], place), va="center")
        axes.set_yticks(range(len(rows)), list(rows))
        axes.set_xscale(scale)
        axes.set_xlabel(f"{label}: median to p95")
        axes.margins(x=0.25)


def publish(out: Path, name: str, result: Mapping[str, Any], plot: Callable[[Any, Path], None]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=2, ensure_ascii=False)
    (out / f"{name}.json").write_text(text + "\n")
    plot(result, out / f"{name}.png")
    print(text)
