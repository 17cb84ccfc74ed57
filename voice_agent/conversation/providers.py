"""Ears, brain and voice of a session, from the settings. One code path: an OpenAI-style endpoint per role."""

from __future__ import annotations

from dataclasses import dataclass

from livekit.agents import vad
from livekit.plugins import openai, silero

from voice_agent.settings import Settings

_NO_KEY = "unset"
"""The OpenAI client insists on a key; our own server asks for none."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    base_url: str
    api_key: str
    model: str


@dataclass(frozen=True, slots=True)
class Providers:
    vad: vad.VAD
    stt: openai.STT
    llm: openai.LLM
    tts: openai.TTS

    async def aclose(self) -> None:
        await self.stt.aclose()
        await self.llm.aclose()
        await self.tts.aclose()


def endpoint(settings: Settings, role_url: str, role_key: str, model: str, ours: str, theirs: str) -> Endpoint:
    """Who serves a role: its own endpoint, else the OpenAI account, else the local model server."""
    if role_url:
        return Endpoint(role_url, role_key or settings.openai_api_key or _NO_KEY, model or theirs)
    if settings.openai_api_key or settings.openai_base_url:
        return Endpoint(
            settings.openai_base_url or "https://api.openai.com/v1", settings.openai_api_key or _NO_KEY, model or theirs
        )
    return Endpoint(settings.models_url, _NO_KEY, model or ours)


def build_providers(settings: Settings, loaded_vad: vad.VAD, voice: str | None) -> Providers:
    ears = endpoint(settings, settings.stt_base_url, "", settings.stt_model, "moonshine-base", "gpt-4o-mini-transcribe")
    brain = endpoint(settings, settings.llm_base_url, settings.llm_api_key, settings.llm_model, "local", "gpt-4.1-mini")
    mouth = endpoint(settings, settings.tts_base_url, "", settings.tts_model, "kokoro", "gpt-4o-mini-tts")
    default_voice = "af_heart" if mouth.base_url == settings.models_url else "alloy"
    return Providers(
        vad=loaded_vad,
        stt=openai.STT(model=ears.model, base_url=ears.base_url, api_key=ears.api_key, use_realtime=False),
        llm=openai.LLM(model=brain.model, base_url=brain.base_url, api_key=brain.api_key, max_retries=0),
        tts=openai.TTS(
            model=mouth.model,
            voice=voice or settings.tts_voice or default_voice,
            base_url=mouth.base_url,
            api_key=mouth.api_key,
            response_format="pcm",
        ),
    )


def load_vad() -> vad.VAD:
    return silero.VAD.load(min_silence_duration=0.4)
