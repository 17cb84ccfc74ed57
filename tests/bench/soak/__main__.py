"""Soak test (scripts/bench.sh soak [PIECE…] --seed N): large numbers of repetitions in pieces that can be interrupted.

Every repetition is recorded at once. A run ends after --minutes; the same command continues it. At the end of each run
soak.json has median, p95 and maximum of every figure, and soak.png shows the times.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench.soak.ledger import Ledger
from tests.bench.soak.pieces import PIECES, Piece
from tests.support.report import draw_spreads

FAILED_ENOUGH = 5
"""A piece is stopped after this many consecutive failures: more would add nothing."""


async def go_on(piece: Piece, count: int, ledger: Ledger, seed: int, until: float) -> None:
    row = 0
    async with piece.opened(seed) as once:
        for number in range(ledger.done(), count):
            if time.monotonic() > until or row == FAILED_ENOUGH:
                return
            began = time.monotonic()
            try:
                line: dict[str, Any] = await once(number)
                row = 0
            except (AssertionError, TimeoutError) as error:
                line = {"failed": f"{type(error).__name__}: {error}"[:500]}
                row += 1
            ledger.add({"number": number, "took": round(time.monotonic() - began, 2)} | line)
            print(f"{piece.name} {number + 1}/{count} {line}", file=sys.stderr, flush=True)


def plot(results: dict[str, Any], path: Path) -> None:
    times = {name: one["figures"]["seconds"] for name, one in results.items() if "seconds" in one["figures"]}
    if times:
        draw_spreads(times, path, "seconds until everything is as it should be")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("pieces", nargs="*", metavar="PIECE", help=f"all, or some of: {', '.join(PIECES)}")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--minutes", type=float, default=20, help="start nothing new after this time")
    options.add_argument("--times", type=int, default=0, help="of each piece; 0: all that are meant")
    options.add_argument("--out", type=Path, default=Path("build/soak"))
    chosen = options.parse_args()
    if unknown := set(chosen.pieces) - set(PIECES):
        options.error(f"unknown: {', '.join(sorted(unknown))}")
    folder = chosen.out / f"seed-{chosen.seed}"
    until = time.monotonic() + 60 * chosen.minutes
    wanted = {name: min(piece.count, chosen.times or piece.count) for name, piece in PIECES.items()}
    for name in chosen.pieces or PIECES:
        ledger = Ledger(folder / f"{name}.jsonl")
        if time.monotonic() < until and ledger.done() < wanted[name]:
            try:
                asyncio.run(go_on(PIECES[name], wanted[name], ledger, chosen.seed, until))
            except AssertionError as error:  # a check after the last repetition
                ledger.add({"number": None, "failed": str(error)[:500]})
    results = {name: Ledger(folder / f"{name}.jsonl").summary(count) for name, count in wanted.items()}
    (folder / "soak.json").write_text(json.dumps(results, indent=2) + "\n")
    plot(results, folder / "soak.png")
    print(json.dumps({name: results[name] for name in chosen.pieces or PIECES}, indent=2))
    open_pieces = [name for name in chosen.pieces or PIECES if results[name]["done"] < results[name]["wanted"]]
    if open_pieces:
        print(f"Not finished: {', '.join(open_pieces)}. The same command goes on with them.", file=sys.stderr)
    sys.exit(bool(open_pieces) or any(results[name]["failed"] for name in chosen.pieces or PIECES))


if __name__ == "__main__":
    main()
