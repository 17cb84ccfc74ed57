"""Ledger of a soak, one line per repetition: an interrupted soak continues where it stopped."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.report import spread


@dataclass(frozen=True)
class Ledger:
    path: Path

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def add(self, line: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def done(self) -> int:
        return sum(line["number"] is not None for line in self.lines())

    def summary(self, wanted: int) -> dict[str, Any]:
        """Median and p95 of every number, and all failures."""
        lines = self.lines()
        good = [line for line in lines if "failed" not in line]
        numbers = sorted({key for line in good for key, value in line.items() if isinstance(value, int | float)})
        return {
            "wanted": wanted,
            "done": self.done(),
            "failed": [line["failed"] for line in lines if "failed" in line],
            "figures": {key: spread([line[key] for line in good if key in line]) for key in numbers},
        }
