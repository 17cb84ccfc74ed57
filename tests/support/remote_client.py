"""Client process for a person on another host who knows only the address of the page:
`python -m tests.support.remote_client URL AGENT`.

Prints JSON lines: the responses of the page and of the session request, then what was heard in the room. Exits at the
end of its stdin.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import httpx
from livekit import rtc

from tests.support.tone import heard, sounding, tracks_of
from voice_agent.contracts import Topic


def tell(**line: Any) -> None:
    print(json.dumps(line), flush=True)


async def visit(url: str, agent: str) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as http:
        health, page = await http.get("/health"), await http.get("/")
        session = (await http.post("/session", json={"agent_id": agent})).raise_for_status().json()
    tell(
        health=health.status_code,
        page=page.status_code,
        policy=page.headers["content-security-policy"],
        server_url=session["server_url"],
        room=session["room_name"],
    )
    room = rtc.Room()
    tracks = tracks_of(room)
    await room.connect(session["server_url"], session["participant_token"])
    try:
        async with sounding(room):
            tell(heard=await heard(tracks))
            await room.local_participant.send_text("Hello from afar.", topic=Topic.CHAT)
            await asyncio.to_thread(sys.stdin.read)
    finally:
        await room.disconnect()


if __name__ == "__main__":
    asyncio.run(visit(sys.argv[1], sys.argv[2]))
