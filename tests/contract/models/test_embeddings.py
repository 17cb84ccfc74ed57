"""Embeddings by the real model behind the front, for OpenAI's own client and for memory's."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import psutil
import pytest

from tests.support.eventually import PATIENCE
from tests.support.models import LLM, RunningModels, running_models
from voice_agent.errors import Code, Permanent, Temporary
from voice_agent.memory.recall import embedder as embedder_module
from voice_agent.memory.recall.embedder import HttpEmbedder
from voice_agent.models.catalog import MPNET

FACTS = (
    "The user's dog is named Biscuit.",
    "The user works at a bakery.",
    "The user's flight leaves at 7:40 on Friday.",
)
JSON = {"content-type": "application/json"}
QUESTIONS = ("What is my dog called?", "Where do I work now?", "What time does my plane leave?")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested here is not how fast a machine is that runs other tests as well."""
    monkeypatch.setattr(embedder_module, "QUERY_DEADLINE", PATIENCE)


@asynccontextmanager
async def memorys(models: RunningModels, **options: Any) -> AsyncIterator[HttpEmbedder]:
    embedder = HttpEmbedder(models.base_url, "any", MPNET.name, **options)
    try:
        yield embedder
    finally:
        await embedder.aclose()


@pytest.mark.parametrize("encoding", ["float", "base64"])
async def test_openais_client_is_answered(models: RunningModels, encoding: Any) -> None:
    async with openai.AsyncClient(base_url=models.base_url, api_key="any", max_retries=0) as client:
        made = await client.embeddings.create(
            model="text-embedding-3-small", input=list(FACTS), encoding_format=encoding
        )
        alone = await client.embeddings.create(model=MPNET.name, input=FACTS[1])
    assert [row.index for row in made.data] == [0, 1, 2]
    assert made.model == MPNET.name
    assert made.usage.total_tokens > 20
    vectors = np.array([unpacked(row.embedding) for row in made.data])
    assert vectors.shape == (3, 768)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(vectors[1], alone.data[0].embedding, atol=1e-6), "a vector does not depend on its neighbours"


async def test_a_question_is_nearest_to_the_fact_that_answers_it(models: RunningModels) -> None:
    async with memorys(models) as embedder:
        facts, questions = await embedder.embed(FACTS), await embedder.embed(QUESTIONS, query=True)
    assert (questions @ facts.T).argmax(axis=1).tolist() == [0, 1, 2]


async def test_vectors_are_those_of_the_published_weights(models: RunningModels) -> None:
    """The cosines are those of the published weights in 32 bits."""
    said = ("The man is eating food.", "A man eats something.", "A monkey plays drums.", "What is my son's name?")
    async with memorys(models) as embedder:
        vectors = await embedder.embed(said)
    assert np.allclose(vectors[1:] @ vectors[0], [0.9135, 0.0241, 0.1063], atol=0.02)


async def test_what_is_too_long_is_cut_at_the_models_end(models: RunningModels) -> None:
    shape = MPNET.embedding
    assert shape is not None
    long = "tea " * (shape.longest + 50)
    async with httpx.AsyncClient(base_url=models.base_url) as http:
        made = (await http.post("/embeddings", json={"model": MPNET.name, "input": [long, "tea"]})).json()
    assert made["usage"]["prompt_tokens"] == shape.longest + 3


async def test_odd_texts_are_embedded(models: RunningModels) -> None:
    texts = ["\x00", "🙂", "你好，世界", "<b>&</b>", "a\u202eb", "x" * 5_000]
    async with memorys(models) as embedder:
        assert (await embedder.embed(texts)).shape == (len(texts), 768)


def test_half_a_character_is_no_failure(models: RunningModels) -> None:
    content = b'{"model": "text-embedding-3-small", "input": "half \\ud83d of it"}'
    assert httpx.post(f"{models.base_url}/embeddings", content=content, headers=JSON).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        (b"{", 400, None),
        (b"[]", 400, None),
        (b'{"input": "a"}', 404, "model"),
        (b'{"model": "text-embedding-3-small"}', 400, "input"),
        (b'{"model": "text-embedding-3-small", "input": [[1, 2]]}', 400, "input"),
        (b'{"model": "text-embedding-3-small", "input": "a", "encoding_format": "hex"}', 400, "encoding_format"),
    ],
)
def test_bad_input_is_refused(models: RunningModels, body: bytes, status: int, param: str | None) -> None:
    answer = httpx.post(f"{models.base_url}/embeddings", content=body, headers=JSON)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "remedy", "type", "param"}
    assert error["param"] == param


async def test_refusals_reach_memory_as_our_errors(models: RunningModels) -> None:
    async with memorys(models) as embedder:
        with pytest.raises(Permanent) as refused:
            await embedder.embed(["   "])
    assert refused.value.code is Code.EMBEDDING_FAILED
    nobody = HttpEmbedder(models.base_url, "any", "bert")
    with pytest.raises(Permanent) as unknown:
        await nobody.embed(["a"])
    await nobody.aclose()
    assert unknown.value.code is Code.MODEL_UNKNOWN


async def test_a_question_does_not_wait_for_a_long_list(models: RunningModels) -> None:
    """Batches of long texts take many seconds; the questions beside them are answered before the first is done."""
    passage = "We walked along the river for a very long time and talked about this and that. " * 15
    async with memorys(models) as embedder:
        await embedder.embed(["Hello."], query=True)
        building = asyncio.create_task(in_one_request(models, [passage] * 192))
        for _ in range(5):
            await embedder.embed(["What is my dog called?"], query=True)
        assert not building.done()
        building.cancel()
        await asyncio.gather(building, return_exceptions=True)
        process = embedding_child(models)
        deadline = time.monotonic() + 20
        while _busy(process):
            assert time.monotonic() < deadline, "it computes for a caller that is gone"


def test_without_embeddings_the_rest_is_ready(tmp_path: Path) -> None:
    """A server that has none says so, and a conversation can begin."""
    settings = {"VOICE_LLM_MODEL": LLM, "VOICE_EMBEDDING_BASE_URL": "http://127.0.0.1:9/v1"}
    with running_models(tmp_path, settings) as models:
        assert "embedding" not in models.health().json()["roles"]
        answer = httpx.post(f"{models.base_url}/embeddings", json={"model": MPNET.name, "input": "a"})
        assert answer.json()["error"]["code"] == Code.NOT_FOUND


async def test_nobody_listens() -> None:
    away = HttpEmbedder("http://127.0.0.1:9/v1", "any", MPNET.name)
    with pytest.raises(Temporary) as failed:
        await away.embed(["a"], query=True)
    await away.aclose()
    assert failed.value.code is Code.MODEL_UNREACHABLE


async def in_one_request(models: RunningModels, texts: list[str]) -> httpx.Response:
    async with httpx.AsyncClient(base_url=models.base_url, timeout=120) as http:
        return await http.post("/embeddings", json={"model": MPNET.name, "input": texts})


def unpacked(embedding: Any) -> Any:
    """OpenAI's client unpacks base64 only where nobody asked for it."""
    return np.frombuffer(base64.b64decode(embedding), "<f4") if isinstance(embedding, str) else embedding


def embedding_child(models: RunningModels) -> psutil.Process:
    for process in psutil.Process(models.pid).children():
        if "embedding_child" in " ".join(process.cmdline()):
            return process
    raise AssertionError("no embedding child")


def _busy(process: psutil.Process) -> bool:
    before = sum(process.cpu_times()[:2])
    time.sleep(0.3)
    return sum(process.cpu_times()[:2]) - before > 0.05
