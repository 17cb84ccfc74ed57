"""Greeter: speaks the greeting, from audio synthesized ahead if possible, so that it is heard at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from livekit import rtc
from livekit.agents import AgentSession, APIError, tts
from livekit.agents.voice import SpeechHandle

from voice_agent.conversation.breath import A_BREATH
from voice_agent.conversation.speech_session import SpeechSession


class Greeter:
    def __init__(self, speech: SpeechSession) -> None:
        self._speech = speech
        self._prepared: list[_Prepared] = []

    async def prepare(self, *texts: str) -> None:
        """Synthesize the texts of which one may be spoken next, the likeliest first, in place of what was prepared
        before. A failure costs only the head start."""
        voice = self._speech.tts
        self._prepared = [one for one in self._prepared if any(one.serves(text, voice) for text in texts)]
        for text in texts:
            if self._serving(text) is None:
                self._prepared.append(_Prepared(text, voice))
                await self._prepared[-1].make()

    def speak(self, session: AgentSession[Any], text: str) -> SpeechHandle:
        if (prepared := self._serving(text)) is not None:
            return session.say(text, audio=prepared.played())
        return session.say(text)

    def _serving(self, text: str) -> _Prepared | None:
        return next((one for one in self._prepared if one.serves(text, self._speech.tts)), None)


class _Prepared:
    """Audio of one greeting; it can be played while it is still being made."""

    def __init__(self, text: str, voice: tts.TTS[Any]) -> None:
        self._text = text
        self._voice = voice
        self._frames: list[rtc.AudioFrame] = []
        self._more = asyncio.Event()
        """Set at each new frame, and at the end."""
        self._ended = False
        self._failed = False

    def serves(self, text: str, voice: tts.TTS[Any]) -> bool:
        return (text, voice) == (self._text, self._voice) and not self._failed

    async def make(self) -> None:
        try:
            async with self._voice.synthesize(self._text) as stream:
                async for piece in stream:
                    self._frames.append(piece.frame)
                    self._more.set()
        except APIError:
            self._failed = True
        except asyncio.CancelledError:
            self._failed = True
            raise
        finally:
            self._ended = True
            self._more.set()

    async def played(self) -> AsyncIterator[rtc.AudioFrame]:
        done = 0
        while True:
            self._more.clear()
            while done < len(self._frames):
                done += 1
                yield self._frames[done - 1]
            if self._ended and done == len(self._frames):
                break
            await self._more.wait()
        if not done:
            yield A_BREATH
