"""Choice of STT, LLM and TTS per assistant, with a clear message if one is not available."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.integration.conversation.people import QUESTION, somebody_curt
from tests.support.caller import control_api
from tests.support.stack import Stack
from voice_agent.contracts import AgentAttribute


async def test_each_assistant_thinks_with_the_model_it_chose_also_after_a_switch(stack: Stack) -> None:
    async with control_api(stack) as api:
        choosy = await somebody_curt(stack, api, "Choosy", providers={"llm": {"model": "a-larger-one"}})
        plain = await somebody_curt(stack, api, "Plain")
        caller = await api.come_in(agent_id=choosy)
        await caller.greeting()
        assert "Marigold" in await caller.ask(QUESTION)
        assert models_asked(stack)[-1] == "a-larger-one"
        (await caller.ask_the_server("PUT", "/agent", json={"agent_id": plain})).raise_for_status()
        await caller.until(lambda: caller.attribute(AgentAttribute.AGENT_ID) == plain, "the other assistant")
        await caller.answered()
        assert "Marigold" in await caller.ask(QUESTION)
        assert models_asked(stack)[-1] == "scripted"


def models_asked(stack: Stack) -> list[str]:
    return [prompt.model for prompt in stack.llm.prompts() if prompt.user == QUESTION]


async def test_an_assistant_whose_voice_is_not_installed_says_what_to_install(stack: Stack) -> None:
    async with control_api(stack) as api:
        mute = await somebody_curt(stack, api, "Mute", providers={"tts": {"provider": "cartesia"}})
        caller = await api.come_in(agent_id=mute)
        told = asyncio.Event()
        caller.room.on("room_metadata_changed", lambda *_: told.set())

        async def problem() -> Any:
            while (found := (await caller.ask_the_server("GET", "")).json()["problem"]) is None:
                await told.wait()
                told.clear()
            return found

        found = await asyncio.wait_for(problem(), 60)
        assert found["code"] == "agent_fails"
        assert "cartesia is not installed. Install it: uv pip install livekit-plugins-cartesia==" in found["message"]
