"""Second look at recalled facts, by a real local model."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.models import LLM, RunningModels
from voice_agent.memory.recall.second_look import ChatSecondLook
from voice_agent.providers.endpoints import NO_KEY
from voice_agent.providers.local_server import CHECK_HEADERS


@dataclass(frozen=True)
class Local:
    base_url: str
    api_key: str = NO_KEY
    model: str = LLM


async def test_our_model_server_tells_the_odds(models: RunningModels) -> None:
    look = ChatSecondLook(Local(models.base_url), CHECK_HEADERS)
    assert await look.odds(["The user has a cat."], "Do I have a cat?") is not None
    await look.aclose()


async def test_who_gives_no_answer_says_nothing(models: RunningModels) -> None:
    for endpoint in (Local("http://127.0.0.1:9/v1"), Local(models.base_url, model="unknown")):
        look = ChatSecondLook(endpoint, CHECK_HEADERS)
        assert await look.odds(["The user has a cat."], "Do I have a cat?") is None
        await look.aclose()
