"""Greeter: what is being synthesized ahead is played while it is made, and made once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

from livekit import rtc
from livekit.agents import APIConnectionError

from tests.support.eventually import PATIENCE
from voice_agent.conversation.breath import A_BREATH
from voice_agent.conversation.greeter import Greeter

RATE = 24_000


def frame(mark: int) -> rtc.AudioFrame:
    return rtc.AudioFrame(bytes([mark, 0]) * 240, RATE, 1, 240)


class Voice:
    """TTS whose audio arrives frame by frame, as the test sends it; None is its end."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.frames: asyncio.Queue[rtc.AudioFrame | APIConnectionError | None] = asyncio.Queue()

    def synthesize(self, text: str) -> Voice:
        self.asked.append(text)
        return self

    async def __aenter__(self) -> Voice:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    def __aiter__(self) -> Voice:
        return self

    async def __anext__(self) -> Any:
        found = await self.frames.get()
        if isinstance(found, APIConnectionError):
            raise found
        if found is None:
            raise StopAsyncIteration
        return SimpleNamespace(frame=found)


class Session:
    def say(self, _text: str, audio: AsyncIterator[rtc.AudioFrame] | None = None) -> Any:
        return audio


def greeter() -> tuple[Greeter, Voice]:
    voice = Voice()
    return Greeter(cast(Any, SimpleNamespace(tts=voice))), voice


def spoken(greeter: Greeter, text: str) -> AsyncIterator[rtc.AudioFrame]:
    playing: AsyncIterator[rtc.AudioFrame] = cast(Any, greeter.speak(cast(Any, Session()), text))
    return playing


async def test_it_is_played_while_it_is_still_made() -> None:
    one, voice = greeter()
    making = asyncio.create_task(one.prepare("Hello."))
    voice.frames.put_nowait(frame(1))
    async with asyncio.timeout(PATIENCE):
        await asyncio.sleep(0)
        playing = spoken(one, "Hello.")
        assert (await anext(playing)).data[0] == 1
        voice.frames.put_nowait(frame(2))
        voice.frames.put_nowait(None)
        assert [bytes(piece.data)[0] async for piece in playing] == [2]
        await making
        assert [bytes(piece.data)[0] async for piece in spoken(one, "Hello.")] == [1, 2], "and again"
    assert voice.asked == ["Hello."]


async def test_what_failed_or_is_another_text_is_spoken_as_any_sentence() -> None:
    one, voice = greeter()
    voice.frames.put_nowait(APIConnectionError())
    await one.prepare("Hello.")
    assert spoken(one, "Hello.") is None
    voice.frames.put_nowait(None)
    await one.prepare("Hello.")
    assert spoken(one, "Good evening.") is None
    assert voice.asked == ["Hello.", "Hello."]


async def test_a_failure_while_it_is_played_still_shows_the_text() -> None:
    one, voice = greeter()
    making = asyncio.create_task(one.prepare("Hello."))
    async with asyncio.timeout(PATIENCE):
        await asyncio.sleep(0)
        playing = spoken(one, "Hello.")
        voice.frames.put_nowait(APIConnectionError())
        assert [piece async for piece in playing] == [A_BREATH]
        await making
