"""Greeter: speaks the greeting, from audio synthesized ahead if possible, so that it is heard at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from livekit import rtc
from livekit.agents import AgentSession, APIError, tts
from livekit.agents.voice import SpeechHandle

from voice_agent.conversation.speech_session import SpeechSession


class Greeter:
    def __init__(self, speech: SpeechSession) -> None:
        self._speech = speech
        self._made: tuple[str, tts.TTS[Any]] | None = None
        self._frames: list[rtc.AudioFrame] = []

    async def prepare(self, text: str) -> None:
        """Synthesize `text` ahead, replacing what was prepared before. A failure costs only the head start."""
        wanted = text, self._speech.tts
        if wanted == self._made:
            return
        self._made, self._frames = None, []
        try:
            async with self._speech.tts.synthesize(text) as stream:
                frames = [piece.frame async for piece in stream]
        except APIError:
            return
        self._made, self._frames = wanted, frames

    def speak(self, session: AgentSession[Any], text: str) -> SpeechHandle:
        if (text, self._speech.tts) == self._made:
            return session.say(text, audio=_played(self._frames))
        return session.say(text)


async def _played(frames: list[rtc.AudioFrame]) -> AsyncIterator[rtc.AudioFrame]:
    for frame in frames:
        yield frame
