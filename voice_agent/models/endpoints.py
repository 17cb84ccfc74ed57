"""Which endpoint serves which role. One rule for the assistant, the checks and the model server. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from voice_agent.models.catalog import KOKORO, MOONSHINE, QWEN, ModelRole, local
from voice_agent.settings import Settings

OPENAI_URL: Final = "https://api.openai.com/v1"
OPENAI_STT: Final = "gpt-4o-mini-transcribe"
OPENAI_TTS: Final = "gpt-4o-mini-tts"
OPENAI_LLM: Final = "gpt-4.1-mini"
OPENAI_VOICE: Final = "ash"
NO_KEY: Final = "not-needed"
"""OpenAI's clients insist on some key; a local server does not read it."""


@dataclass(frozen=True)
class Endpoint:
    role: ModelRole
    base_url: str
    api_key: str
    model: str
    local: bool
    """Served by models on this machine."""
    voice: str = ""

    def __repr__(self) -> str:
        # The key must not reach a log or a traceback.
        return f"Endpoint({self.role}, {self.base_url}, {self.model}, local={self.local})"


def stt(settings: Settings) -> Endpoint:
    base, key = _remote(settings, settings.stt_base_url, "")
    if base:
        return Endpoint("stt", base, key, settings.stt_model or OPENAI_STT, local=False)
    return Endpoint("stt", settings.models_url, NO_KEY, local(settings.stt_model, MOONSHINE).name, local=True)


def tts(settings: Settings) -> Endpoint:
    base, key = _remote(settings, settings.tts_base_url, "")
    if base:
        voice = settings.tts_voice or OPENAI_VOICE
        return Endpoint("tts", base, key, settings.tts_model or OPENAI_TTS, local=False, voice=voice)
    model = local(settings.tts_model, KOKORO)
    voice = settings.tts_voice or model.voices[0]
    return Endpoint("tts", settings.models_url, NO_KEY, model.name, local=True, voice=voice)


def llm(settings: Settings) -> Endpoint:
    """Where the words really come from."""
    base, key = _remote(settings, settings.llm_base_url, settings.llm_api_key)
    if base:
        return Endpoint("llm", base, key, settings.llm_model or OPENAI_LLM, local=False)
    return Endpoint("llm", settings.models_url, NO_KEY, local(settings.llm_model, QWEN).name, local=True)


def _remote(settings: Settings, own_base: str, own_key: str) -> tuple[str, str]:
    """Base URL and key of a remote endpoint for a role; an empty URL means that the role is served locally."""
    if own_base:
        # The OpenAI key belongs to the OpenAI endpoint: it is not handed to whatever server a role was pointed at.
        return own_base.rstrip("/"), own_key or NO_KEY
    if settings.openai_base_url:
        return settings.openai_base_url.rstrip("/"), settings.openai_api_key or NO_KEY
    if settings.openai_api_key:
        return OPENAI_URL, settings.openai_api_key
    return "", ""
