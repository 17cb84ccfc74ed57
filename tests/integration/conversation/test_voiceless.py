"""TTS failure: only the voice is missing; the answer is shown and remembered."""

from __future__ import annotations

from tests.integration.conversation.people import QUESTION, somebody_curt
from tests.support.caller import control_api
from tests.support.stack import Stack

NOBODY = "http://127.0.0.1:9/v1"


async def test_what_cannot_be_spoken_is_shown(stack: Stack) -> None:
    async with control_api(stack) as api:
        voiceless = await somebody_curt(stack, api, "Voiceless", greeting="", providers={"tts": {"base_url": NOBODY}})
        caller = await api.come_in(agent_id=voiceless)
        await caller.answered()
        assert "Marigold" in await caller.ask(QUESTION)
        assert "tts_failed" in {notice.code for notice in caller.seen.notices}
        transcript = (await caller.ask_the_server("GET", "/transcript")).json()["messages"]
        assert [m["role"] for m in transcript] == ["user", "assistant"]
