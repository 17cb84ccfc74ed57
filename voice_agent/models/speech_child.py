"""Process of the STT and TTS models: plain HTTP on a Unix socket, one computation at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from voice_agent.models.audio import RECOGNITION_RATE, decode, pcm16
from voice_agent.models.child_app import Handlers, serve
from voice_agent.models.child_io import LANGUAGE_HEADER
from voice_agent.models.priority_lock import Priority, PriorityLock, pieces
from voice_agent.models.responses import OwnedStream, unless_disconnected
from voice_agent.models.stt import Heard, open_recogniser
from voice_agent.models.tts import open_engine, speak
from voice_agent.providers.local_server import CAPTION

LIVE_SECONDS = 45.0
"""A longer recording is an uploaded file, not a turn of a user who waits for an answer."""


class Speech:
    def __init__(self, order: dict[str, Any]) -> None:
        self._order = order
        self._priority_lock = PriorityLock()

    def load(self) -> None:
        threads = self._order["threads"]
        if stt := self._order.get("stt"):
            name = self._order["names"]["stt"]
            self._stt = open_recogniser(name, {part: Path(path) for part, path in stt.items()}, threads)
        if tts := self._order.get("tts"):
            name = self._order["names"]["tts"]
            self._voice = open_engine(name, {part: Path(path) for part, path in tts.items()}, threads)

    def handlers(self) -> Handlers:
        return {"/transcribe": self.transcribe, "/speak": self.speak}

    async def transcribe(self, request: Request) -> Response:
        samples = await asyncio.to_thread(decode, await request.body())
        seconds = len(samples) / RECOGNITION_RATE
        priority = _priority(request.query_params.get("priority"), seconds)

        language = request.headers.get(LANGUAGE_HEADER, "")

        async def listen() -> list[Heard]:
            segments = pieces(
                self._priority_lock, lambda stop: self._stt.transcribe(samples, language, stop), priority, priority
            )
            return [heard async for heard in segments]

        segments = await unless_disconnected(request, listen(), "transcribe")
        text = " ".join(heard.text for heard in segments if heard.text)
        spoken = next((heard.language for heard in segments if heard.language), language)
        return JSONResponse({"text": text, "seconds": seconds, "language": spoken})

    async def speak(self, request: Request) -> Response:
        asked = await request.json()
        sound = pieces(
            self._priority_lock,
            lambda stop: speak(self._voice, asked["text"], asked["voice"], asked["speed"], stop),
            Priority.FIRST_CLAUSE,
            Priority.LATER_CLAUSE,
        )
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(aclosing(sound))
            # The status is sent with the first piece, so that an immediate failure gets an error status.
            first = await unless_disconnected(request, anext(sound), "speak")

            async def body() -> AsyncGenerator[bytes, None]:
                yield pcm16(first)
                async for samples in sound:
                    yield pcm16(samples)

            return OwnedStream(body(), stack.pop_all(), "application/octet-stream")


def _priority(wanted: str | None, seconds: float) -> Priority:
    if wanted == CAPTION:
        return Priority.CAPTION
    return Priority.LIVE_STT if seconds <= LIVE_SECONDS else Priority.BACKGROUND


if __name__ == "__main__":
    serve(Speech)
