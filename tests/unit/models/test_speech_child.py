"""A synthesis that nobody waits for any more ends quietly, and only then does the next one begin."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from starlette.requests import Request

from tests.support.eventually import PATIENCE
from voice_agent.models import speech_child
from voice_agent.models.audio import Samples
from voice_agent.models.onnx import Cancellation
from voice_agent.models.speech_child import Speech

PASSES = 3
"""Of the event loop, in which a caller that does not wait for the thread goes on."""


class Engine:
    """The first clause of "long" is there at once, the second takes until it is cancelled, and a little longer."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.began, self.ended = threading.Event(), threading.Event()
        self.order: list[str] = []

    def clause(self, text: str, voice: str, speed: float, cancellation: Cancellation) -> Iterator[Samples]:
        self.order.append(f"{text} begins")
        if text == "Endless.":
            self.began.set()
            while not cancellation.options.terminate:
                threading.Event().wait(0.001)
            for _ in range(PASSES):
                asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self._loop).result()
            self.ended.set()
        self.order.append(f"{text} ends")
        cancellation.check()
        yield np.zeros(240, np.float32)


async def speak(speech: Speech, text: str, gone: asyncio.Event) -> None:
    """As the server does; the listener goes when `gone` is set."""
    wish = json.dumps({"text": text, "voice": "any", "speed": 1.0}).encode()
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": wish, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        pass

    scope = {"type": "http", "method": "POST", "path": "/speak", "headers": [], "asgi": {"spec_version": "2.3"}}
    response = await speech.speak(Request(scope, receive))
    await response(scope, receive, send)


@pytest.fixture
async def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    made = Engine(asyncio.get_running_loop())
    monkeypatch.setattr(speech_child, "open_engine", lambda *_: made)
    return made


async def test_a_cancelled_synthesis_says_nothing_and_the_next_waits_for_its_end(engine: Engine) -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    speech = Speech({"threads": 1, "names": {"tts": "any"}, "tts": {"model": "any"}})
    speech.load()
    gone, stays = asyncio.Event(), asyncio.Event()
    listening = asyncio.create_task(speak(speech, "Short. Endless.", gone))
    await asyncio.to_thread(engine.began.wait, PATIENCE)
    waiting = asyncio.create_task(speak(speech, "Next.", stays))
    gone.set()
    await listening
    await waiting
    await asyncio.to_thread(engine.ended.wait, PATIENCE)
    gc.collect()  # asyncio reports a failure that nobody looked at when its task is collected
    order = [f"{text} {what}" for text in ("Short.", "Endless.", "Next.") for what in ("begins", "ends")]
    assert (reported, engine.order) == ([], order)
