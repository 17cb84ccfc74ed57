"""Speaks the greeting, from sound that was made ahead where there was time for it: who comes back hears it at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from livekit import rtc
from livekit.agents import AgentSession, APIError
from livekit.agents.voice import SpeechHandle
from livekit.plugins import openai


class Greeter:
    def __init__(self, voice: openai.TTS) -> None:
        self._voice = voice
        self._text = ""
        self._frames: list[rtc.AudioFrame] = []

    async def prepare(self, text: str) -> None:
        """Make the sound of `text`, replacing what was prepared before. A failure costs only the head start."""
        if text == self._text:
            return
        self._text, self._frames = "", []
        try:
            async with self._voice.synthesize(text) as stream:
                frames = [piece.frame async for piece in stream]
        except APIError:
            return
        self._text, self._frames = text, frames

    def speak(self, session: AgentSession[Any], text: str) -> SpeechHandle:
        if text == self._text:
            return session.say(text, audio=_played(self._frames))
        return session.say(text)


async def _played(frames: list[rtc.AudioFrame]) -> AsyncIterator[rtc.AudioFrame]:
    for frame in frames:
        yield frame
