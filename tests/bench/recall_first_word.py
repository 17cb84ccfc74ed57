"""Delay of the first word by recalled facts in the prompt: interleaved pairs of requests.

A is the question alone, B the same question with the facts. Each has its own prompt_cache_key, and before each pair the
prompt up to the question is prewarmed for both, as in a conversation. All series are interleaved, so that a machine
that becomes slower affects all of them alike; A and B go first by turns.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from uuid import uuid4

import httpx
import numpy as np
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from tests.bench.recall import NAME, PERSONA
from tests.support.report import spread
from voice_agent.contracts import AgentBinding
from voice_agent.conversation.history import CHARS_PER_TOKEN
from voice_agent.errors import Temporary
from voice_agent.memory.facts.fact import Fact
from voice_agent.memory.model import Block, Snapshot
from voice_agent.memory.prompt import build_prompt, recalled_text
from voice_agent.memory.recall.recall import Recalled
from voice_agent.providers.endpoints import NO_KEY, Endpoint
from voice_agent.providers.prewarm import prewarm

HISTORY: Final = (
    ("Good morning.", "Good morning! How are you today?"),
    ("Quite well, thank you. It has been raining for hours here.", "That sounds like a day for a cup of tea indoors."),
    ("Yes, I have just made one.", "Lovely. What would you like to talk about?"),
)
COUNTS: Final = (0, 1, 2, 3, 5)
"""Facts in B. With none, A and B are the same: the difference is noise."""
ANSWER_TOKENS: Final = 16
"""The answer is read to its end, so that it does not overlap with the next request."""
ATTEMPTS: Final = 30
RESAMPLES: Final = 10_000
TIMEOUT: Final = 120.0
_BEFORE_A_QUESTION: Final = {"role": "user", "content": ""}

Message = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    question: str
    recalled: Recalled
    """The result of recall."""
    facts: tuple[Fact, ...]
    """The fact that answers the question, and others."""


@dataclass(frozen=True, slots=True)
class Word:
    seconds: float
    read: int | None
    """Prompt tokens that were not in the KV cache, if the server reports them."""


@dataclass(frozen=True, slots=True)
class Pair:
    alone: Word
    with_facts: Word
    tokens: float

    @property
    def difference(self) -> float:
        return 1000 * (self.with_facts.seconds - self.alone.seconds)


def _first_facts(count: int, asked: Asked) -> Recalled:
    return Recalled(asked.facts[:count])


SERIES: Final[Mapping[str, Callable[[Asked], Recalled]]] = {
    "as recalled": lambda asked: asked.recalled,
    **{f"{count} fact{'s' * (count != 1)}": partial(_first_facts, count) for count in COUNTS},
}


# --- prompts ---


def beginning() -> list[Message]:
    """The prompt before a question in the middle of a conversation."""
    now = datetime.now(UTC)
    binding = AgentBinding(agent_id="bench", letta_agent_id="bench", name=NAME)
    snapshot = Snapshot("bench", NAME, (Block("persona", PERSONA),), now)
    prompt = build_prompt(binding, snapshot, today=now.date()).text
    found: list[Message] = [{"role": "system", "content": prompt}]
    for question, answer in HISTORY:
        found += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return found


def prompt_of(before: Sequence[Message], question: str, recalled: Recalled) -> list[Message]:
    """As in conversation/turn_recall.py: facts before the question, the note that nothing was told after it."""
    asked = {"role": "user", "content": question}
    text = recalled_text(recalled)
    if not text:
        return [*before, asked]
    known = {"role": "system", "content": text}
    return [*before, asked, known] if recalled.untold else [*before, known, asked]


# --- requests ---


class LanguageModel:
    """LLM client with two conversations, A and B."""

    def __init__(self, http: httpx.AsyncClient, url: str, model: str) -> None:
        endpoint = Endpoint("llm", url, NO_KEY, model, local=True)
        self.alone = replace(endpoint, conversation=uuid4().hex)
        self.with_facts = replace(endpoint, conversation=uuid4().hex)
        self._http = http

    async def prewarm_prompt(self, before: Sequence[Message]) -> None:
        """Prewarms both conversations. Retries, since a prewarm yields to answers."""
        attempts = AsyncRetrying(
            retry=retry_if_exception_type(Temporary),
            wait=wait_fixed(1.0),
            stop=stop_after_attempt(ATTEMPTS),
            reraise=True,
        )
        for endpoint in (self.alone, self.with_facts):
            await attempts(prewarm, endpoint, [*before, _BEFORE_A_QUESTION])

    async def first_word(self, endpoint: Endpoint, messages: Sequence[Message]) -> Word | None:
        """The first word; None if the answer has no words."""
        body = {
            "model": endpoint.model,
            "messages": list(messages),
            "max_tokens": ANSWER_TOKENS,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
            "prompt_cache_key": endpoint.conversation,
        }
        began, first, read = time.perf_counter(), None, None
        async with self._http.stream("POST", f"{endpoint.base_url}/chat/completions", json=body) as answer:
            if answer.is_error:
                text = (await answer.aread()).decode(errors="replace")
                raise SystemExit(f"{endpoint.base_url} refused a question ({answer.status_code}): {text[:300]}")
            async for line in answer.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                chunk = json.loads(line.removeprefix("data: "))
                if first is None and any(choice["delta"].get("content") for choice in chunk.get("choices", ())):
                    first = time.perf_counter() - began
                read = _read_anew(chunk["usage"]) if chunk.get("usage") else read
        return None if first is None else Word(first, read)

    async def pair(
        self, before: Sequence[Message], question: str, recalled: Recalled, *, alone_first: bool
    ) -> Pair | None:
        await self.prewarm_prompt(before)
        requests = {
            "alone": (self.alone, prompt_of(before, question, Recalled())),
            "with facts": (self.with_facts, prompt_of(before, question, recalled)),
        }
        words = {}
        for name in requests if alone_first else reversed(requests):
            words[name] = await self.first_word(*requests[name])
        alone, with_facts = words["alone"], words["with facts"]
        if alone is None or with_facts is None:
            return None
        return Pair(alone, with_facts, len(recalled_text(recalled)) / CHARS_PER_TOKEN)


def _read_anew(usage: Mapping[str, Any]) -> int | None:
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens")
    return None if cached is None else int(usage["prompt_tokens"]) - int(cached)


# --- figures ---


async def curve(
    url: str, model: str, asked: Sequence[Asked], pairs: int, seed: int, wanted: Sequence[str] = tuple(SERIES)
) -> dict[str, Any]:
    async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as http:
        found = await measured(LanguageModel(http, url, model), asked, pairs, seed, wanted)
    series = {name: figures(some, seed) for name, some in found.items()}
    return {"model": model, "series": {name: one | {"dropped": pairs - one["pairs"]} for name, one in series.items()}}


async def measured(
    llm_endpoint: LanguageModel, asked: Sequence[Asked], pairs: int, seed: int, wanted: Sequence[str] = tuple(SERIES)
) -> dict[str, list[Pair]]:
    """Pairs per series. Pairs without a word are left out; the very first pair is a warm-up and does not count."""
    before, rng = beginning(), random.Random(f"first word {seed}")
    order = rng.sample(list(asked), len(asked))
    found: dict[str, list[Pair]] = {name: [] for name in wanted}
    await llm_endpoint.pair(before, order[0].question, order[0].recalled, alone_first=True)
    for number in range(pairs):
        one = order[number % len(order)]
        for name in rng.sample(wanted, len(wanted)):
            alone_first = (number + wanted.index(name)) % 2 == 0
            pair = await llm_endpoint.pair(before, one.question, SERIES[name](one), alone_first=alone_first)
            found[name] += [pair] if pair is not None else []
        if (number + 1) % 10 == 0:
            print(f"first word: {number + 1} of {pairs} pairs", file=sys.stderr, flush=True)
    return found


def figures(pairs: Sequence[Pair], seed: int) -> dict[str, Any]:
    if not pairs:
        raise SystemExit("The language model answered no question with words.")
    differences = [pair.difference for pair in pairs]
    read = [
        (pair.alone.read, pair.with_facts.read)
        for pair in pairs
        if pair.alone.read is not None and pair.with_facts.read is not None
    ]
    return {
        "pairs": len(pairs),
        "question alone, s": spread([pair.alone.seconds for pair in pairs]),
        "with facts, s": spread([pair.with_facts.seconds for pair in pairs]),
        "median difference, ms": round(statistics.median(differences), 1),
        "95 % interval, ms": interval_of_median(differences, seed),
        "tokens (characters / 4)": round(statistics.median(pair.tokens for pair in pairs), 1),
        "tokens read for the question alone": statistics.median(alone for alone, _ in read) if read else None,
        "tokens read more": statistics.median(more - alone for alone, more in read) if read else None,
    }


def interval_of_median(values: Sequence[float], seed: int) -> list[float]:
    """95 % confidence interval of the median, by bootstrap."""
    drawn = np.random.default_rng(seed).choice(np.asarray(values), (RESAMPLES, len(values)))
    low, high = np.percentile(np.median(drawn, axis=1), (2.5, 97.5))
    return [round(float(low), 1), round(float(high), 1)]
