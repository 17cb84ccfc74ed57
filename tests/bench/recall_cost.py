"""Cost of recall (scripts/bench.sh recall_cost), by the number of known facts and by the facts in the prompt.

Size: one person's 10 to 10,000 facts in a temporary database, embedded by the real local model. How long a question, a
refresh and the first refresh of a conversation take, and how many tokens (characters / 4) recall adds to the prompt.
First word: pairs of requests to the local language model, a question alone and the same question with recalled facts
(recall_first_word.py), as recall finds them among 100 and with 0 to 5 facts.

Writes recall_cost.json, recall_cost.png (size) and recall_cost-first-word.png. Told facts are in the person's own
words, like those of a turn that is not learned yet: longer than learned facts. Seeds are odd; even ones are held out
for scripts/bench.sh recall.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

from tests.bench.recall_first_word import SERIES, Asked, curve
from tests.bench.recall_people import foreign, made_up, untold
from tests.bench.recall_report import share
from tests.support.aside import aside
from tests.support.many_facts import put_facts
from tests.support.models import running_models
from tests.support.report import drawing, machine, publish, spread
from voice_agent.conversation.history import CHARS_PER_TOKEN
from voice_agent.errors import VoiceAgentError
from voice_agent.memory.facts.store import Owner
from voice_agent.memory.prompt import recalled_text
from voice_agent.memory.recall.embedder import Embedder, HttpEmbedder, Vectors
from voice_agent.memory.recall.recall import Recall
from voice_agent.models.catalog import MPNET, QWEN
from voice_agent.providers.endpoints import NO_KEY
from voice_agent.storage import Database, upgrade

SIZES: Final = (10, 100, 1_000, 10_000)
AMONG: Final = 100
"""Facts for the measurement of the first word, which does not depend on their number."""
QUESTIONS: Final = 200
REFRESHES: Final = 200
CONVERSATIONS: Final = 5
"""Conversations to begin, each with a first refresh."""
ATTEMPTS: Final = 3
PARTS: Final = ("size", "first-word")
AIM: Final = 20
"""Milliseconds."""


class Metered:
    """Embedder that measures its time and counts its failures."""

    def __init__(self, inner: Embedder) -> None:
        self.model = inner.model
        self.seconds = 0.0
        self.texts = 0
        self.failed = 0
        self._inner = inner

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        began = time.perf_counter()
        try:
            made = await self._inner.embed(texts, query=query)
        except VoiceAgentError:
            self.failed += 1
            raise
        finally:
            self.seconds += time.perf_counter() - began
        self.texts += len(texts)
        return made


# --- known facts and questions ---


def told_texts(seed: int) -> dict[str, str]:
    """Question → told text that answers it."""
    return {fact.question: f'The user said: "{fact.statement}"' for fact in made_up(seed).facts}


def known_texts(seed: int, size: int) -> list[str]:
    """Told facts first, then others; a smaller set is the beginning of a larger one."""
    told = list(told_texts(seed).values())
    return [*told, *foreign(seed, max(0, size - len(told)))][:size]


def questions(seed: int, count: int) -> list[str]:
    """Questions on this person's facts, on untold facts, and on the next people's facts; repeated from the first."""
    others = [fact.question for more in (2, 4, 6, 8) for fact in made_up(seed + more).facts]
    distinct = dict.fromkeys([*told_texts(seed), *(one.question for one in untold(seed, count)), *others])
    return list(islice(cycle(distinct), count))


# --- size ---


def milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    return spread([1000 * second for second in seconds], digits=2)


async def timed(work: Awaitable[Any]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


async def remembered(database: Database, embedder: Metered, seed: int, size: int) -> tuple[Owner, dict[str, Any]]:
    """An owner of `size` facts with all vectors made, and the time that it took."""
    owner = Owner("bench", f"{size} facts")
    await put_facts(database, owner, known_texts(seed, size))
    recall, before = Recall(database, embedder, owner), embedder.texts
    began = time.perf_counter()
    for _ in range(ATTEMPTS):
        failed = embedder.failed
        await recall.refresh()
        if embedder.failed == failed:
            took = time.perf_counter() - began
            return owner, {"texts": embedder.texts - before, "seconds": round(took, 2)}
    raise SystemExit(f"The embedding model failed {ATTEMPTS} times in a row; without vectors nothing is measured.")


async def one_size(database: Database, embedder: Metered, seed: int, size: int) -> dict[str, Any]:
    owner, made = await remembered(database, embedder, seed, size)
    firsts = []
    for _ in range(CONVERSATIONS):
        recall = Recall(database, embedder, owner)
        firsts.append(await timed(recall.refresh()))
    return {
        "embedding what is new": made,
        "first refresh, ms": milliseconds(firsts),
        "refresh with nothing new, ms": milliseconds([await timed(recall.refresh()) for _ in range(REFRESHES)]),
    } | await asking(recall, embedder, seed)


async def asking(recall: Recall, embedder: Metered, seed: int) -> dict[str, Any]:
    """Calls `about` for every question."""
    known, told = {fact.text for fact in recall.known}, told_texts(seed)
    takes, models, tokens, with_facts, found = [], [], [], [], []
    failed, asked = embedder.failed, questions(seed, QUESTIONS)
    for question in asked:
        before, began = embedder.seconds, time.perf_counter()
        recalled = await recall.about(question)
        takes.append(time.perf_counter() - began)
        models.append(embedder.seconds - before)
        tokens.append(len(recalled_text(recalled)) / CHARS_PER_TOKEN)
        with_facts.append(bool(recalled.facts))
        if (wanted := told.get(question)) in known:
            found.append(wanted in {fact.text for fact in recalled.facts})
    return {
        "about, ms": milliseconds(takes),
        "of it the embedding model, ms": milliseconds(models),
        "of it the search, ms": milliseconds([whole - model for whole, model in zip(takes, models, strict=True)]),
        "questions": {"asked": len(asked), "distinct": len(set(asked)), "by words only": embedder.failed - failed},
        "told fact among the recalled": share(found),
        "tokens in the prompt": spread(tokens, digits=1),
        "questions with facts": share(with_facts),  # the others may add that nothing was told about it
    }


# --- both parts ---


@asynccontextmanager
async def models_at(url: str) -> AsyncIterator[str]:
    """The model server of a running system, or a new one."""
    if url:
        yield url.rstrip("/")
        return
    with tempfile.TemporaryDirectory() as home:
        async with aside(running_models(Path(home), {"VOICE_MODELS_THREADS": "2"})) as models:
            yield models.base_url


@asynccontextmanager
async def emptiness() -> AsyncIterator[Database]:
    """An empty database."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite+aiosqlite:///{folder}/voice.db")
        try:
            await upgrade(database)
            yield database
        finally:
            await database.close()


async def asked_of(database: Database, embedder: Metered, seed: int) -> list[Asked]:
    """Questions on told facts, with the facts that recall finds, and the other facts that the curve needs."""
    owner, _ = await remembered(database, embedder, seed, AMONG)
    recall = Recall(database, embedder, owner)
    await recall.refresh()
    by_text = {fact.text: fact for fact in recall.known}
    told = told_texts(seed)
    others = [fact for fact in recall.known if fact.text not in told.values()]
    return [
        Asked(question, await recall.about(question), (by_text[text], *others[place : place + 4]))
        for place, (question, text) in enumerate(told.items())
    ]


async def measure(chosen: argparse.Namespace) -> dict[str, Any]:
    result: dict[str, Any] = {"machine": machine(), "seed": chosen.seed}
    async with models_at(chosen.models_url) as url:
        http = HttpEmbedder(url, NO_KEY, MPNET.name, version=MPNET.version)
        try:
            embedder = Metered(http)
            if "size" in chosen.parts:
                result["size"] = {}
                async with emptiness() as database:
                    for size in sorted(chosen.sizes):
                        print(f"{size} facts", file=sys.stderr, flush=True)
                        result["size"][str(size)] = await one_size(database, embedder, chosen.seed, size)
            if "first-word" in chosen.parts:
                async with emptiness() as database:
                    asked = await asked_of(database, embedder, chosen.seed)
                result["first word"] = await curve(url, chosen.model, asked, chosen.pairs, chosen.seed, chosen.series)
        finally:
            await http.aclose()
    return result | {"load at the end": machine()["load"]}


# --- the plots ---


def plot(result: dict[str, Any], path: Path) -> None:
    if "size" in result:
        plot_sizes(result["size"], path)
    if "first word" in result:
        plot_curve(result["first word"], path.with_name(f"{path.stem}-first-word.png"))


def plot_sizes(sizes: dict[str, Any], path: Path) -> None:
    counts = [int(size) for size in sizes]
    with drawing(path, 8, 5) as axes:
        for name in ("about, ms", "of it the search, ms", "refresh with nothing new, ms", "first refresh, ms"):
            rows = [one[name] for one in sizes.values()]
            (line,) = axes.plot(counts, [row["p50"] for row in rows], "o-", label=name.removesuffix(", ms"))
            axes.fill_between(
                counts, [row["p50"] for row in rows], [row["p95"] for row in rows], color=line.get_color(), alpha=0.2
            )
        axes.axhline(AIM, color="grey", linestyle="--", linewidth=1, label=f"{AIM} ms")
        labels = [f"{size}\n{one['tokens in the prompt']['p50']:g} tokens" for size, one in sizes.items()]
        axes.set(xscale="log", yscale="log", xlabel="facts of one person; tokens that a question adds, median")
        axes.set_xticks(counts, labels)
        axes.set_ylabel("milliseconds: median, shaded to p95")
        axes.legend()


def plot_curve(first_word: dict[str, Any], path: Path) -> None:
    with drawing(path, 8, 5) as axes:
        for name, row in first_word["series"].items():
            middle, (low, high) = row["median difference, ms"], row["95 % interval, ms"]
            colour = "#b5523b" if name == "as recalled" else "#3b6ea5"
            spot = row["tokens (characters / 4)"]
            reach = [[max(0.0, middle - low)], [max(0.0, high - middle)]]
            axes.errorbar(spot, middle, yerr=reach, fmt="o", color=colour, capsize=4)
            axes.annotate(f" {name}", (spot, middle), va="bottom", color=colour)
        axes.axhline(AIM, color="grey", linestyle="--", linewidth=1)
        axes.axhline(0, color="grey", linewidth=1)
        axes.set_xlabel("tokens that recall adds to the prompt (characters / 4), median")
        axes.set_ylabel("later first word, ms: median of pairs, 95 % interval")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--models-url", default="", help="of a running model server (http://127.0.0.1:8290/v1)")
    options.add_argument("--model", default=QWEN.name, help="the language model that it serves")
    options.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    options.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    options.add_argument("--pairs", type=int, default=60, help="of each series")
    options.add_argument("--series", nargs="+", default=list(SERIES), choices=SERIES, help="of the first word")
    options.add_argument("--seed", type=int, default=7, help="of the person, and of what is drawn; odd")
    options.add_argument("--out", type=Path, default=Path("build/bench"))
    chosen = options.parse_args()
    if chosen.seed % 2 == 0:
        options.error("--seed: even seeds are held out.")
    if chosen.pairs < 1 or min(chosen.sizes) < 1:
        options.error("--pairs and --sizes are at least 1.")
    publish(chosen.out, "recall_cost", asyncio.run(measure(chosen)), plot)


if __name__ == "__main__":
    main()
