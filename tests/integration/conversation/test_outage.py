"""A caller whose connection is lost without a goodbye, and who is back soon: the same conversation goes on."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.integration.conversation.people import somebody_curt
from tests.support.caller import front_door
from tests.support.scripted_llm import Rule
from tests.support.stack import Stack
from voice_agent.rooms.livekit import LiveKit

GONE_WITHIN = 60.0
"""LiveKit misses somebody after some twenty seconds."""


@asynccontextmanager
async def distant_client(session: dict[str, Any]) -> AsyncIterator[Process]:
    client = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.distant_client"),
        *(session["server_url"], session["participant_token"]),
        stdin=PIPE,
        stdout=PIPE,
    )
    try:
        yield client
    finally:
        if client.returncode is None:
            client.kill()
        await client.communicate()


async def told(client: Process, key: str, within: float = 60.0) -> Any:
    """The next line with this key."""
    assert client.stdout is not None
    async with asyncio.timeout(within):
        while line := await client.stdout.readline():
            if key in (said := json.loads(line)):
                return said[key]
    raise AssertionError(f"the client ended before it told its {key}")


async def type_in(client: Process, text: str) -> None:
    assert client.stdin is not None
    client.stdin.write(f"{text}\n".encode())
    await client.stdin.drain()


async def until_gone(livekit: LiveKit, room: str) -> None:
    async with asyncio.timeout(GONE_WITHIN):
        # LiveKit's API has no events, and a client of ours in the room would be a human there.
        while any(one.is_human for one in await livekit.participants(room)):  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def test_who_was_lost_for_half_a_minute_goes_on_where_they_were(stack: Stack) -> None:
    stack.llm.script(
        Rule(user="what did I just", history="sailed to Bermuda", reply="You sailed to Bermuda."),
        Rule(user="Bermuda", reply="How nice."),
    )
    livekit = LiveKit(stack.settings)
    try:
        async with front_door(stack) as door:
            session = await door.session(agent_id=await somebody_curt(stack, door, "Outage"))
            async with distant_client(session) as client:
                assert await told(client, "caption") == "Hi."
                await type_in(client, "I sailed to Bermuda.")
                assert await told(client, "caption") == "How nice."
                client.send_signal(signal.SIGSTOP)
                await until_gone(livekit, session["room_name"])
                client.send_signal(signal.SIGCONT)
                assert await told(client, "episode") == 2
                await type_in(client, "What did I just say?")
                assert await told(client, "caption") == "You sailed to Bermuda.", "a second greeting, or a new one"
            await door.http.delete(
                f"/session/{session['session_id']}", headers={"Authorization": f"Bearer {session['resume_secret']}"}
            )
    finally:
        await livekit.close()
