"""Faults of a caller: a killed device, a call longer than its token."""

from __future__ import annotations

import asyncio
import sys

from tests.integration.conversation.people import QUESTION, somebody_curt
from tests.support.caller import control_api
from tests.support.stack import Stack


async def test_who_was_killed_comes_back_into_a_clean_room(stack: Stack) -> None:
    async with control_api(stack) as api:
        session = await api.session(agent_id=await somebody_curt(stack, api, "Abrupt"))
        client = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.silent_client"),
            *(session["server_url"], session["participant_token"]),
            stdout=asyncio.subprocess.PIPE,
        )
        assert client.stdout is not None
        async with asyncio.timeout(40):
            assert await client.stdout.readline() == b"engaged\n"
        client.kill()
        await client.wait()
        back = await api.come_in(session_id=session["session_id"], resume_secret=session["resume_secret"])
        assert back.session["resumed"]
        assert back.session["participant_identity"] == session["participant_identity"]
        await back.until(lambda: back.episode == 2, "the next episode")
        await back.greeting()
        assert "Marigold" in await back.ask(QUESTION)
        assert len(back.agents) == 1
        assert len(back.room.remote_participants) == 1, "the dead client is gone"


async def test_a_call_outlives_its_token(stack: Stack) -> None:
    async with control_api(stack) as api:
        caller = await api.come_in(agent_id=await somebody_curt(stack, api, "Patient"))
        await caller.greeting()
        brief = await api.join_as(caller, "brief", valid_for=4)
        expired = asyncio.get_running_loop().time() + 5
        await caller.leave()
        await brief.answered()
        await asyncio.sleep(max(0.0, expired - asyncio.get_running_loop().time()))
        assert "Marigold" in await brief.ask(QUESTION)
