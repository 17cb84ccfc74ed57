"""Embedder on any OpenAI-style server: batches, vectors of length one, and failures as our errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import numpy as np
import pytest

from voice_agent.errors import Code, Permanent, Temporary
from voice_agent.memory.recall import embedder
from voice_agent.memory.recall.embedder import BATCH, LONGEST_TEXT, Embedder, HttpEmbedder

Answer = Callable[[dict[str, Any]], Any]


@asynccontextmanager
async def served(answer: Answer, **options: Any) -> AsyncIterator[tuple[HttpEmbedder, list[dict[str, Any]]]]:
    """An embedder and what it asked for."""
    asked: list[dict[str, Any]] = []

    async def handle(request: httpx.Request) -> httpx.Response:
        assert request.url == "http://server/v1/embeddings"
        assert request.headers["authorization"] == "Bearer key"
        asked.append(json.loads(request.content))
        said = answer(asked[-1])
        if isinstance(said, Exception):
            raise said
        if isinstance(said, float):
            await asyncio.sleep(said)
        return said if isinstance(said, httpx.Response) else httpx.Response(200, json=said)

    made = HttpEmbedder("http://server/v1", "key", "some-model", transport=httpx.MockTransport(handle), **options)
    try:
        yield made, asked
    finally:
        await made.aclose()


def lengths(body: dict[str, Any]) -> dict[str, Any]:
    """The vector of a text tells its length; in the wrong order, which the index repairs."""
    rows = [{"index": i, "embedding": [len(text), 1.0]} for i, text in enumerate(body["input"])]
    return {"data": rows[::-1]}


async def test_rows_are_in_order_and_of_length_one() -> None:
    async with served(lengths) as (some, asked):
        vectors = await some.embed(["abc", "a"])
        assert vectors.dtype == np.float32
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
        assert vectors[0, 0] > vectors[1, 0]
        assert asked == [{"model": "some-model", "input": ["abc", "a"]}]
        assert (await some.embed([])).shape[0] == 0
        assert len(asked) == 1


async def test_many_texts_go_in_batches_and_long_ones_are_cut() -> None:
    async with served(lengths) as (some, asked):
        assert (await some.embed(["x"] * (2 * BATCH + 1))).shape == (2 * BATCH + 1, 2)
        assert [len(body["input"]) for body in asked] == [BATCH, BATCH, 1]
        await some.embed(["x" * (LONGEST_TEXT + 1)])
        assert len(asked[-1]["input"][0]) == LONGEST_TEXT


async def test_a_model_is_known_by_its_name_and_version() -> None:
    async with served(lengths, version="1") as (ours, asked):
        await ours.embed(["a"], query=True)
        assert set(asked[0]) == {"model", "input"}
        assert ours.model == "some-model@1"
    async with served(lengths) as (theirs, _):
        assert theirs.model == "some-model"
        port: Embedder = theirs
        assert port.model


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (httpx.Response(401), Permanent, Code.UNAUTHORIZED),
        (httpx.Response(404), Permanent, Code.MODEL_UNKNOWN),
        (httpx.Response(400), Permanent, Code.EMBEDDING_FAILED),
        (httpx.Response(429), Temporary, Code.RATE_LIMITED),
        (httpx.Response(500), Temporary, Code.EMBEDDING_FAILED),
        (httpx.Response(503), Temporary, Code.MODEL_UNREACHABLE),
        (httpx.Response(200, text="<html>"), Temporary, Code.EMBEDDING_FAILED),
        ([], Temporary, Code.EMBEDDING_FAILED),
        ({"data": []}, Temporary, Code.EMBEDDING_FAILED),
        ({"data": [{"index": 0, "embedding": [0.0, 0.0]}]}, Temporary, Code.EMBEDDING_FAILED),
        ({"data": [{"index": 0, "embedding": ["a"]}]}, Temporary, Code.EMBEDDING_FAILED),
        ({"data": [{"index": 0, "embedding": [1.0]}] * 2}, Temporary, Code.EMBEDDING_FAILED),
        (httpx.ConnectError("no"), Temporary, Code.MODEL_UNREACHABLE),
    ],
    ids=str,
)
async def test_what_goes_wrong(answer: Any, kind: type[Exception], code: Code) -> None:
    async with served(lambda _: answer) as (some, _):
        with pytest.raises(kind) as failed:
            await some.embed(["a"])
        assert isinstance(failed.value, Temporary | Permanent)
        assert failed.value.code is code
        assert failed.value.remedy


async def test_batches_of_different_models_are_not_mixed() -> None:
    async with served(
        lambda body: {"data": [{"index": 0, "embedding": [1.0] * len(body["input"])}] * len(body["input"])}
    ) as (
        some,
        _,
    ):
        with pytest.raises(Temporary, match="different lengths"):
            await some.embed(["x"] * (BATCH + 1))


async def test_a_question_has_a_short_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedder, "QUERY_DEADLINE", 0.02)
    async with served(lambda _: 30.0) as (some, _):
        with pytest.raises(Temporary, match=r"within 0\.02 s") as late:
            await some.embed(["a"], query=True)
        assert late.value.code is Code.MODEL_UNREACHABLE


async def test_a_connection_that_the_server_closed_is_tried_once_more() -> None:
    broken: list[Exception] = [httpx.RemoteProtocolError("closed")]
    async with served(lambda body: broken.pop() if broken else lengths(body)) as (some, asked):
        assert len(await some.embed(["a"], query=True)) == 1
        assert len(asked) == 2
