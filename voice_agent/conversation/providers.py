"""Ears, brain and voice of a session, from the settings. One code path: an OpenAI-style endpoint per role."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from livekit.agents import vad
from livekit.plugins import openai, silero
from openai import AsyncClient, DefaultAsyncHttpxClient

from voice_agent.models import endpoints
from voice_agent.models.endpoints import Endpoint
from voice_agent.settings import Settings

SILENCE: Final = 10.0
"""Seconds without a byte after which ears or voice have failed. The plugins ask for 30, twice, whatever one sets."""


@dataclass(frozen=True, slots=True)
class Providers:
    vad: vad.VAD
    stt: openai.STT
    llm: openai.LLM
    tts: openai.TTS
    default_voice: str
    clients: tuple[AsyncClient, ...]

    async def aclose(self) -> None:
        for plugin in (self.stt, self.llm, self.tts):
            await plugin.aclose()
        for client in self.clients:
            await client.close()


def build_providers(settings: Settings, loaded_vad: vad.VAD, voice: str | None, silence: float = SILENCE) -> Providers:
    ears, brain, mouth = endpoints.stt(settings), endpoints.llm(settings), endpoints.tts(settings)
    hearing, speaking = _impatient(ears, silence), _impatient(mouth, silence)
    return Providers(
        vad=loaded_vad,
        stt=openai.STT(model=ears.model, client=hearing, use_realtime=False),
        llm=openai.LLM(model=brain.model, base_url=brain.base_url, api_key=brain.api_key, max_retries=0),
        tts=openai.TTS(
            model=mouth.model,
            voice=voice or mouth.voice,
            client=speaking,
            response_format="pcm",
        ),
        default_voice=mouth.voice,
        clients=(hearing, speaking),
    )


def _impatient(endpoint: Endpoint, silence: float) -> AsyncClient:
    async def bound(request: Any) -> None:
        request.extensions["timeout"] = {**request.extensions["timeout"], "read": silence}

    http = DefaultAsyncHttpxClient(event_hooks={"request": [bound]})
    return AsyncClient(max_retries=0, api_key=endpoint.api_key, base_url=endpoint.base_url, http_client=http)


def load_vad() -> vad.VAD:
    return silero.VAD.load(min_silence_duration=0.4)
