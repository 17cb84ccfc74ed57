"""Second look at recalled facts, by a real local model."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import psutil

from tests.support.eventually import PATIENCE
from tests.support.models import LLM, RunningModels, running_models
from voice_agent.memory.recall.second_look import ChatSecondLook, messages
from voice_agent.providers.endpoints import NO_KEY, Endpoint
from voice_agent.providers.local_server import CHECK_AHEAD, CHECK_HEADERS, PRIORITY_HEADER
from voice_agent.providers.prewarm import prewarm


def local(base_url: str, model: str = LLM) -> Endpoint:
    return Endpoint("llm", base_url, NO_KEY, model, local=True)


INSTRUCTION = messages(("The user has a cat.",), "")


def read_anew(models: RunningModels) -> int:
    """Tokens of what every check begins with that were not read before."""
    asked = {"model": LLM, "messages": INSTRUCTION, "max_tokens": 1}
    headers = {PRIORITY_HEADER: CHECK_AHEAD}
    answer = httpx.post(f"{models.base_url}/chat/completions", json=asked, headers=headers, timeout=PATIENCE)
    usage = answer.raise_for_status().json()["usage"]
    return int(usage["prompt_tokens"] - usage["prompt_tokens_details"]["cached_tokens"])


async def is_it_known(models: RunningModels) -> bool:
    look = ChatSecondLook(local(models.base_url), CHECK_HEADERS)
    try:
        return await look.odds(["The user has a cat."], "Do I have a cat?") is not None
    finally:
        await look.aclose()


async def test_the_instruction_is_read_once_for_all_starts(tmp_path: Path) -> None:
    with running_models(tmp_path / "first", {"VOICE_LLM_MODEL": LLM}) as models:
        read_anew(models)
    with running_models(tmp_path / "second", {"VOICE_LLM_MODEL": LLM}) as models:
        assert not await is_it_known(models), "the words of the instruction come with the first wish to read it"
        assert read_anew(models) < 10
        (llm,) = (one for one in psutil.Process(models.pid).children() if "llm_child" in " ".join(one.cmdline()))
        llm.kill()
        llm.wait(PATIENCE)
        async with asyncio.timeout(PATIENCE):
            while not await is_it_known(models):  # it waits 4 s for an answer, and the model loads
                pass
        assert read_anew(models) < 10


async def test_our_model_server_tells_the_odds_once_it_has_read_the_instruction(tmp_path: Path) -> None:
    with running_models(tmp_path, {"VOICE_LLM_MODEL": LLM}) as models:
        endpoint = local(models.base_url)
        look = ChatSecondLook(endpoint, CHECK_HEADERS)
        assert await look.odds(["The user has a cat."], "Do I have a cat?") is None, "nobody waits while it is read"
        await prewarm(endpoint, INSTRUCTION, priority=CHECK_AHEAD)
        assert await look.odds(["The user has a cat."], "Do I have a cat?") is not None
        await look.aclose()


async def test_who_gives_no_answer_says_nothing(models: RunningModels) -> None:
    for endpoint in (local("http://127.0.0.1:9/v1"), local(models.base_url, model="unknown")):
        look = ChatSecondLook(endpoint, CHECK_HEADERS)
        assert await look.odds(["The user has a cat."], "Do I have a cat?") is None
        await look.aclose()
