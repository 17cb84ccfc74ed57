"""Second look at recalled facts, by a real local model."""

from __future__ import annotations

from pathlib import Path

from tests.support.models import LLM, RunningModels, running_models
from voice_agent.memory.recall.second_look import ChatSecondLook, messages
from voice_agent.providers.endpoints import NO_KEY, Endpoint
from voice_agent.providers.local_server import CHECK_AHEAD, CHECK_HEADERS
from voice_agent.providers.prewarm import prewarm


def local(base_url: str, model: str = LLM) -> Endpoint:
    return Endpoint("llm", base_url, NO_KEY, model, local=True)


async def test_our_model_server_tells_the_odds_once_it_has_read_the_instruction(tmp_path: Path) -> None:
    with running_models(tmp_path, {"VOICE_LLM_MODEL": LLM}) as models:
        endpoint = local(models.base_url)
        look = ChatSecondLook(endpoint, CHECK_HEADERS)
        assert await look.odds(["The user has a cat."], "Do I have a cat?") is None, "nobody waits while it is read"
        await prewarm(endpoint, messages(("The user has a cat.",), ""), priority=CHECK_AHEAD)
        assert await look.odds(["The user has a cat."], "Do I have a cat?") is not None
        await look.aclose()


async def test_who_gives_no_answer_says_nothing(models: RunningModels) -> None:
    for endpoint in (local("http://127.0.0.1:9/v1"), local(models.base_url, model="unknown")):
        look = ChatSecondLook(endpoint, CHECK_HEADERS)
        assert await look.odds(["The user has a cat."], "Do I have a cat?") is None
        await look.aclose()
