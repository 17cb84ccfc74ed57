"""`python -m tests.support.remote_client URL AGENT QUESTION` is a person on another host, from the page to the answer.

Knows nothing but the address of the page. Prints what was met with, as one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import httpx
import numpy as np
from livekit import rtc

from tests.support.caller import Caller

LOUD = 500
"""Of 32767: more than the noise of a silent track."""


async def first_sound(room: rtc.Room, within: float = 90.0) -> int:
    """How loud the agent's voice is once it can be heard."""
    tracks: asyncio.Queue[rtc.Track] = asyncio.Queue()
    room.on("track_subscribed", lambda track, *_: tracks.put_nowait(track))
    async with asyncio.timeout(within):
        stream = rtc.AudioStream.from_track(track=await tracks.get(), sample_rate=48_000, num_channels=1)
        try:
            async for event in stream:
                loudest = int(np.abs(np.frombuffer(event.frame.data, np.int16).astype(int)).max())
                if loudest > LOUD:
                    return loudest
        finally:
            await stream.aclose()
    return 0


async def visit(url: str, agent: str, question: str) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as http:
        health, page = await http.get("/health"), await http.get("/")
        session = (await http.post("/session", json={"agent_id": agent})).raise_for_status().json()
        caller = Caller(rtc.Room(), session, http)
        hearing = asyncio.create_task(first_sound(caller.room))
        await caller.room.connect(session["server_url"], session["participant_token"])
        try:
            await caller.open_microphone()
            greeting = await caller.greeting()
            loudest = await hearing
            answer = await caller.ask(question)
            left = await caller.leave()
        finally:
            hearing.cancel()
            await asyncio.wait([hearing])
        return {
            "health": health.status_code,
            "page": (page.status_code, page.headers["content-type"], page.headers["content-security-policy"]),
            "server_url": session["server_url"],
            "greeting": greeting,
            "loudest": loudest,
            "answer": answer,
            "left": left["reset"],
        }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(visit(*sys.argv[1:4]))))
