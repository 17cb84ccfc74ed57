"""Cancelled requests stop computing; a killed model process is restarted, and the other roles are not affected."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np
import openai
import psutil
import pytest

from tests.support.eventually import PATIENCE
from tests.support.models import LLM, RunningModels, read_anew, running_models
from tests.support.speech import say, wav
from voice_agent.errors import Temporary
from voice_agent.memory.recall.embedder import HttpEmbedder
from voice_agent.models.catalog import MPNET
from voice_agent.providers.local_server import PRIORITY_HEADER, SHARED_PROMPT

STORY = "And then, as far as I remember, we walked along the river for a very long time. " * 60


def child(models: RunningModels, name: str) -> psutil.Process:
    for process in psutil.Process(models.pid).children():
        if f"{name}_child" in " ".join(process.cmdline()):
            return process
    raise AssertionError(f"no {name} child")


def until(true: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def assert_idle(process: psutil.Process, within: float) -> None:
    """Its CPU clock stands still soon, long before the work would have been done."""

    def quiet() -> bool:
        before = sum(process.cpu_times()[:2])
        time.sleep(0.3)
        return sum(process.cpu_times()[:2]) - before < 0.05

    until(quiet, within, f"{process.cmdline()[-1]} computes for a caller that is gone")


def test_speech_stops_when_the_listener_goes(models: RunningModels) -> None:
    wish = {"model": "tts-1", "voice": "alloy", "input": STORY, "response_format": "pcm"}
    with httpx.stream("POST", f"{models.base_url}/audio/speech", json=wish, timeout=60) as answer:
        next(answer.iter_raw())
    assert_idle(child(models, "speech"), within=3)
    assert "AbandonedError" not in models.log.read_text()


def test_recognition_stops_when_the_caller_goes(models: RunningModels) -> None:
    clip = np.frombuffer(say("We walked along the river for a long time.", models.base_url, rate=16_000)[44:], "<i2")
    sound = wav(np.tile(clip.astype(np.float32) / 32768, 40), 16_000)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{models.base_url}/audio/transcriptions",
            files={"file": ("a.wav", sound)},
            data={"model": "whisper-1"},
            timeout=httpx.Timeout(10, read=0.3),
        )
    assert_idle(child(models, "speech"), within=3)


@pytest.mark.parametrize("stream", [True, False])
def test_chat_stops_when_the_caller_goes(models: RunningModels, stream: bool) -> None:
    body = {
        "model": LLM,
        "messages": [{"role": "user", "content": "Tell a very long story."}],
        "max_tokens": 6000,
        "ignore_eos": True,
        "stream": stream,
    }
    if stream:
        with httpx.stream("POST", f"{models.base_url}/chat/completions", json=body, timeout=60) as answer:
            next(answer.iter_raw())
    else:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{models.base_url}/chat/completions", json=body, timeout=httpx.Timeout(10, read=0.5))
    assert_idle(child(models, "llm"), within=3)


def test_a_prompt_that_was_withdrawn_is_not_read_on_beside_an_answer(models: RunningModels) -> None:
    """Counted in steps, of which each is a token of the answer and sixteen of the prompt, where it is still read."""
    url = f"{models.base_url}/chat/completions"
    story = {"role": "user", "content": "Tell a very long story."}
    answer = {"model": LLM, "messages": [story], "max_tokens": 2000, "ignore_eos": True, "stream": True}
    prompt = {"model": LLM, "messages": [{"role": "user", "content": STORY * 3}], "prompt_cache_key": "withdrawn"}
    another = {**prompt, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
    with httpx.stream("POST", url, json=answer, timeout=60) as written:
        steps = written.iter_lines()
        next(steps)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(url, json=prompt, timeout=httpx.Timeout(10, read=0.5))
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(httpx.post, url, json=another, timeout=60)
            took = sum(1 for _ in itertools.takewhile(lambda _: not asked.done(), steps))
            assert asked.result().status_code == 200
    assert took < 200, "its slot was free for the next request"


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningModels]:
    """A server of which parts are killed, and in the last test that has it, all."""
    home = tmp_path_factory.mktemp("mortal")
    with running_models(home, {"VOICE_LLM_MODEL": LLM}) as running:
        yield running
    assert "Traceback" not in (home / "models.log").read_text()


def restarts(models: RunningModels) -> dict[str, int]:
    return {role: part["restarts"] for role, part in models.health().json()["roles"].items()}


def test_a_killed_llm_comes_back(mortal: RunningModels) -> None:
    with openai.OpenAI(base_url=mortal.base_url, api_key="any", max_retries=0) as client:
        known = "You are Nova. " + "The user likes tea and has two cats. " * 12
        client.chat.completions.create(
            model=LLM,
            messages=[{"role": "system", "content": known}],
            prompt_cache_key="nova",
            extra_headers={PRIORITY_HEADER: SHARED_PROMPT},
        )
        assert read_anew(client, known, "somebody", "Hi") < 30
        pieces = client.chat.completions.create(
            model=LLM,
            messages=[{"role": "user", "content": "Tell a very long story."}],
            max_tokens=6000,
            extra_body={"ignore_eos": True},
            stream=True,
        )
        next(iter(pieces))
        child(mortal, "llm").kill()
        with pytest.raises(openai.APIError, match="stopped in the middle"):
            list(pieces)
        # The next request waits for the new child instead of failing.
        again = client.chat.completions.create(model=LLM, messages=[{"role": "user", "content": "Hi"}], max_tokens=4)
        assert again.choices[0].message.content
        assert read_anew(client, known, "somebody", "Hi") < 30, "what was read for many is still there"
    assert restarts(mortal) == {"stt": 0, "tts": 0, "llm": 1, "embedding": 0, "turn": 0}


async def test_a_killed_embedder_comes_back(mortal: RunningModels) -> None:
    facts = ["The user has a cat.", "The user lives in Porto."]
    embedder = HttpEmbedder(mortal.base_url, "any", MPNET.name)
    already = restarts(mortal)
    try:
        before = await embedder.embed(facts)
        child(mortal, "embedding").kill()
        async with asyncio.timeout(120):
            while True:  # a request waits some seconds for the new child; on a busy machine loading it takes longer
                with suppress(Temporary):
                    again = await embedder.embed(facts)
                    break
    finally:
        await embedder.aclose()
    assert np.array_equal(before, again)
    assert restarts(mortal) == already | {"embedding": already["embedding"] + 1}


def test_killed_speech_comes_back(mortal: RunningModels) -> None:
    wish = {"model": "tts-1", "voice": "alloy", "input": STORY, "response_format": "pcm"}
    with httpx.stream("POST", f"{mortal.base_url}/audio/speech", json=wish, timeout=60) as answer:
        sound = answer.iter_raw()
        next(sound)
        child(mortal, "speech").kill()
        with pytest.raises(httpx.RemoteProtocolError):
            list(sound)
    until(lambda: mortal.health().status_code == 200, PATIENCE, "the speech child did not come back")


def test_children_do_not_outlive_the_model_server(mortal: RunningModels) -> None:
    server = psutil.Process(mortal.pid)
    children = server.children(recursive=True)
    assert len(children) == 4
    server.kill()
    gone, alive = psutil.wait_procs(children, timeout=PATIENCE)
    assert not alive
    assert len(gone) == 4


def test_health_tells_what_is_loading(tmp_path: Path) -> None:
    with running_models(tmp_path, {"VOICE_LLM_MODEL": LLM}, wait=False) as models:

        def answers() -> bool:
            try:
                health = models.health()
            except httpx.TransportError:
                return False
            assert health.status_code == (200 if health.json()["status"] == "ready" else 503)
            return True

        until(answers, PATIENCE, "no health while loading")
        assert set(json.loads(models.health().text)["roles"]) == {"stt", "tts", "llm", "embedding", "turn"}
