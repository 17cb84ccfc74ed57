"""Ears, brain and voice of a session, from the settings. One code path: an OpenAI-style endpoint per role."""

from __future__ import annotations

from dataclasses import dataclass

from livekit.agents import vad
from livekit.plugins import openai, silero

from voice_agent.models import endpoints
from voice_agent.settings import Settings


@dataclass(frozen=True, slots=True)
class Providers:
    vad: vad.VAD
    stt: openai.STT
    llm: openai.LLM
    tts: openai.TTS
    default_voice: str

    async def aclose(self) -> None:
        await self.stt.aclose()
        await self.llm.aclose()
        await self.tts.aclose()


def build_providers(settings: Settings, loaded_vad: vad.VAD, voice: str | None) -> Providers:
    ears, brain, mouth = endpoints.stt(settings), endpoints.llm(settings), endpoints.tts(settings)
    return Providers(
        vad=loaded_vad,
        stt=openai.STT(model=ears.model, base_url=ears.base_url, api_key=ears.api_key, use_realtime=False),
        llm=openai.LLM(model=brain.model, base_url=brain.base_url, api_key=brain.api_key, max_retries=0),
        tts=openai.TTS(
            model=mouth.model,
            voice=voice or mouth.voice,
            base_url=mouth.base_url,
            api_key=mouth.api_key,
            response_format="pcm",
        ),
        default_voice=mouth.voice,
    )


def load_vad() -> vad.VAD:
    return silero.VAD.load(min_silence_duration=0.4)
