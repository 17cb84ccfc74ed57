"""Recall cost benchmark, with an embedder and a language model whose answers are known."""

from __future__ import annotations

import json
import statistics
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.bench import recall_first_word
from tests.bench.recall_cost import Metered, asked_of, known_texts, one_size, questions, remembered
from tests.bench.recall_first_word import (
    ANSWER_TOKENS,
    SERIES,
    LanguageModel,
    figures,
    interval_of_median,
    measured,
    prompt_of,
)
from tests.support.facts_world import WordEmbedder
from tests.support.newest import upgraded
from voice_agent.memory.facts.store import FactStore
from voice_agent.memory.recall.recall import Recalled
from voice_agent.storage import Database

SEED = 3
BEFORE = [{"role": "system", "content": "You are Fern."}]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    made = Database(f"sqlite+aiosqlite:///{tmp_path}/voice.db")
    await upgraded(made)
    yield made
    await made.close()


class LlmServer:
    """A model server that writes down what it is asked, and streams a word."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def handle(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.asked.append(body)
        size = sum(len(message["content"]) for message in body["messages"])
        usage = {"prompt_tokens": size, "prompt_tokens_details": {"cached_tokens": 0}}
        parts = [
            {"choices": [{"delta": {"role": "assistant", "content": ""}}]},
            {"choices": [{"delta": {"content": "Yes."}}]},
            {"choices": [], "usage": usage},
        ]
        return httpx.Response(200, text="".join(f"data: {json.dumps(part)}\n\n" for part in parts) + "data: [DONE]\n\n")


def test_a_smaller_set_of_facts_is_the_beginning_of_a_larger_one() -> None:
    larger = known_texts(SEED, 300)
    assert len(larger) == len(set(larger)) == 300
    assert known_texts(SEED, 10) == larger[:10]
    assert known_texts(SEED, 100) == larger[:100]


def test_there_are_as_many_questions_as_wanted() -> None:
    assert len(questions(SEED, 200)) == 200
    assert len(set(questions(SEED, 50))) == 50


async def test_every_fact_is_looked_among(database: Database) -> None:
    embedder = WordEmbedder()
    owner, made = await remembered(database, Metered(embedder), SEED, 60)
    assert len(await FactStore(database).known(owner)) == 60
    assert made["texts"] == len(embedder.embedded) == 60
    _, made_again = await remembered(database, Metered(embedder), SEED, 61)
    assert 0 < made_again["texts"] < made["texts"]


async def test_without_vectors_nothing_is_measured(database: Database) -> None:
    embedder = WordEmbedder()
    embedder.away = True
    with pytest.raises(SystemExit, match="embedding model"):
        await remembered(database, Metered(embedder), SEED, 10)


async def test_a_size_has_all_figures(database: Database) -> None:
    found = await one_size(database, Metered(WordEmbedder()), SEED, 50)
    assert found["about, ms"]["n"] == found["questions"]["asked"] == 200
    assert found["about, ms"]["max"] >= found["of it the search, ms"]["p50"] > 0
    assert found["questions"]["by words only"] == 0
    assert found["told fact among the recalled"]["count"] > 0
    assert found["tokens in the prompt"]["max"] > 10


def test_facts_stand_before_the_question_and_that_nothing_was_told_behind_it() -> None:
    roles = [message["role"] for message in prompt_of(BEFORE, "Who?", Recalled(untold=True))]
    assert roles == ["system", "user", "system"]
    assert prompt_of(BEFORE, "Who?", Recalled()) == [*BEFORE, {"role": "user", "content": "Who?"}]


async def test_pairs_differ_in_the_facts_only(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead: list[str] = []

    async def prewarm_prompt(endpoint: Any, _messages: Any) -> None:
        ahead.append(endpoint.conversation)

    monkeypatch.setattr(recall_first_word, "prewarm", prewarm_prompt)
    asked = await asked_of(database, Metered(WordEmbedder()), SEED)
    server = LlmServer()
    async with httpx.AsyncClient(transport=httpx.MockTransport(server.handle)) as http:
        llm = LanguageModel(http, "http://server/v1", "some-model")
        found = await measured(llm, asked, 3, SEED)
    assert {len(some) for some in found.values()} == {3}
    pairs = 1 + 3 * len(SERIES)
    assert ahead == [llm.alone.conversation, llm.with_facts.conversation] * pairs
    assert len(server.asked) == 2 * pairs
    assert {body["max_tokens"] for body in server.asked} == {ANSWER_TOKENS}
    for one, other in zip(server.asked[::2], server.asked[1::2], strict=True):
        assert {one["prompt_cache_key"], other["prompt_cache_key"]} == set(ahead)
        alone, with_facts = (one, other) if one["prompt_cache_key"] == llm.alone.conversation else (other, one)
        assert alone["messages"][-1]["role"] == "user"
        assert [message for message in with_facts["messages"] if message in alone["messages"]] == alone["messages"]
    more = {name: figures(some, SEED)["tokens read more"] for name, some in found.items()}
    assert more["0 facts"] == 0
    assert 0 < more["1 fact"] < more["2 facts"] < more["3 facts"] < more["5 facts"]


def test_the_interval_holds_the_median_and_comes_out_the_same_again() -> None:
    values = [float(value) for value in (3, 9, 4, 7, 8, 5, 6, 100, 2, 5)]
    low, high = interval_of_median(values, 1)
    assert low < statistics.median(values) < high < 100
    assert interval_of_median(values, 1) == [low, high]
    assert interval_of_median([5.0] * 10, 1) == [5.0, 5.0]
