"""Default language model as a check: it tells a fact that answers the question from a merely similar one."""

from __future__ import annotations

from pathlib import Path

from tests.support.models import running_models
from voice_agent.memory.recall.second_look import ChatSecondLook, messages
from voice_agent.models.catalog import QWEN
from voice_agent.providers.endpoints import NO_KEY, Endpoint
from voice_agent.providers.local_server import CHECK_AHEAD, CHECK_HEADERS
from voice_agent.providers.prewarm import prewarm


async def test_a_fact_about_somebody_else_does_not_answer(tmp_path: Path) -> None:
    with running_models(tmp_path, {"VOICE_LLM_MODEL": QWEN.name, "VOICE_MODELS_THREADS": "2"}) as models:
        endpoint = Endpoint("llm", models.base_url, NO_KEY, QWEN.name, local=True)
        look = ChatSecondLook(endpoint, CHECK_HEADERS)
        await prewarm(endpoint, messages(("The user has a cat.",), ""), priority=CHECK_AHEAD)  # as `serve` does
        right = await look.odds(["The user's niece studies law in Ghent."], "What is my niece studying?")
        wrong = await look.odds(["The user's cousin studies law in Ghent."], "What is my niece studying?")
        await look.aclose()
    assert right is not None
    assert wrong is not None
    assert right > 0 > wrong
