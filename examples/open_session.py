"""Ask an assistant one question and print its answer.

    python examples/open_session.py Juniper "What do you know about me?"

The HTTP API opens a session and gives a token; with it, LiveKit's client enters the room, where text goes to and fro.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

import httpx
from livekit import rtc

CHAT, CAPTIONS = "lk.chat", "lk.transcription"
WITHIN = 120.0
"""Seconds for everything: a new assistant loads its memory, and a small language model takes its time."""


async def main(url: str, assistant: str, question: str) -> None:
    async with asyncio.timeout(WITHIN), httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as api:
        # Without a greeting, the first thing that is said is the answer.
        wish = {"agent_id": await id_of(api, assistant), "agent_config": {"greeting": ""}}
        session = checked(await api.post("/session", json=wish))
        try:
            print(await answer_in(session, question))
        finally:
            bearer = {"Authorization": f"Bearer {session['resume_secret']}"}
            url = f"/session/{session['session_id']}"
            await api.post(f"{url}/leave", headers=bearer)  # answered when the assistant is ready for the next visit
            # Its room is closed. To come back instead, keep session_id and resume_secret and send both next time.
            await api.delete(url, headers=bearer)


async def id_of(api: httpx.AsyncClient, assistant: str) -> str:
    agents = checked(await api.get("/agents"))["agents"]
    found = [str(agent["id"]) for agent in agents if assistant in (agent["id"], agent["name"])]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{agent['name']} ({agent['id']})" for agent in agents)
    sys.exit(f"{len(found)} assistants are called {assistant!r}. There are: {known or 'none'}.")


async def answer_in(session: dict[str, Any], question: str) -> str:
    room = rtc.Room()
    changed = asyncio.Event()
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    reading: set[asyncio.Task[None]] = set()

    def agents() -> list[rtc.RemoteParticipant]:
        kind = rtc.ParticipantKind.PARTICIPANT_KIND_AGENT  # LiveKit vouches for it
        return [one for one in room.remote_participants.values() if one.kind == kind]

    def listens() -> bool:
        shown = [agent.attributes for agent in agents()]
        return any(one.get("va.ready") == "1" and one.get("va.state") == "engaged" for one in shown)

    def on_caption(reader: rtc.TextStreamReader, identity: str) -> None:
        if identity in [agent.identity for agent in agents()]:
            reading.add(asyncio.create_task(read(reader)))

    async def read(reader: rtc.TextStreamReader) -> None:
        text = await reader.read_all()
        if not answer.done():
            answer.set_result(text)

    room.register_text_stream_handler(CAPTIONS, on_caption)
    for event in ("participant_connected", "participant_attributes_changed"):
        room.on(event, lambda *_: changed.set())
    await room.connect(session["server_url"], session["participant_token"])
    try:
        while not listens():
            changed.clear()
            await changed.wait()
        await room.local_participant.send_text(question, topic=CHAT)
        return await answer
    finally:
        await room.disconnect()
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)


def checked(answer: httpx.Response) -> dict[str, Any]:
    """Every error of the API has a stable code, a sentence and what to do about it."""
    if answer.is_error:
        error = answer.json()["error"]
        sys.exit(f"{error['message']} [{error['code']}] {error['remedy']}")
    return dict(answer.json())


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="Ask an assistant one question and print its answer.")
    options.add_argument("assistant", help="name or id")
    options.add_argument("question")
    options.add_argument("--url", default="http://127.0.0.1:9000", help="where the page is")
    given = options.parse_args()
    asyncio.run(main(given.url, given.assistant, given.question))
