"""Endpoint of each model role: one rule for the assistant, the checks and the model server. Pure.

An assistant's own choice overrides the installation's settings, role by role. The installation's model and voice
belong to its own provider: an assistant that chooses another provider does not get them.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Final, TypeVar
from urllib.parse import urlsplit

from voice_agent.contracts import AS_INSTALLED, ProviderChoice, SttChoice, TtsChoice
from voice_agent.errors import Code, Permanent
from voice_agent.languages import ENGLISH, primary
from voice_agent.providers.local_server import LOCAL_MODELS, ModelRole, local_model, local_recogniser
from voice_agent.settings import Settings

OPENAI: Final = "openai"
OPENAI_URL: Final = "https://api.openai.com/v1"
OPENAI_STT: Final = "gpt-4o-mini-transcribe"
OPENAI_TTS: Final = "gpt-4o-mini-tts"
OPENAI_LLM: Final = "gpt-4.1-mini"
OPENAI_VOICE: Final = "ash"
OPENAI_EMBEDDING: Final = "text-embedding-3-small"
NO_KEY: Final = "not-needed"
"""OpenAI's clients require a key; a local server does not read it."""

_Choice = TypeVar("_Choice", bound=ProviderChoice)


@dataclass(frozen=True)
class Endpoint:
    role: ModelRole
    base_url: str
    api_key: str
    model: str
    local: bool
    """Served by models on this machine."""
    voice: str = ""
    language: str = ""
    speed: float = 1.0
    provider: str = OPENAI
    """Any other value: a livekit plugin that knows its own address and finds its own key."""
    conversation: str = ""
    """OpenAI's prompt_cache_key: the local LLM keeps a slot of its KV cache for it."""
    version: str = ""
    """Of an embedding model: vectors of another version are not comparable."""

    def __repr__(self) -> str:
        # The key must not reach a log or a traceback.
        return f"Endpoint({self.role}, {self.provider}, {self.base_url}, {self.model}, local={self.local})"


def stt(settings: Settings, choice: SttChoice = AS_INSTALLED.stt) -> Endpoint:
    installed = SttChoice(
        provider=settings.stt_provider,
        base_url=settings.stt_base_url or None,
        model=settings.stt_model or None,
        language=settings.stt_language or _not_english(settings.language) or None,
    )
    wanted = _over(installed, choice)
    found = _endpoint(settings, "stt", wanted, OPENAI_STT)
    language = wanted.language or ""
    if found.local and not wanted.model:
        found = replace(found, model=local_recogniser(language))
    return replace(found, language=language)


def tts(settings: Settings, choice: TtsChoice = AS_INSTALLED.tts) -> Endpoint:
    installed = TtsChoice(
        provider=settings.tts_provider,
        base_url=settings.tts_base_url or None,
        model=settings.tts_model or None,
        voice=settings.tts_voice or None,
        speed=settings.tts_speed,
    )
    wanted = _over(installed, choice)
    found = _endpoint(settings, "tts", wanted, OPENAI_TTS)
    voice = wanted.voice or ""
    language = wanted.language or settings.language
    if found.local:
        if choice.voice is None and primary(language) != primary(settings.language):
            voice = ""  # the installed voice speaks the installed language
        voice = voice or local_model(found.model, "tts").voice_in(primary(language))
    elif found.provider == OPENAI:
        voice = voice or OPENAI_VOICE
    return replace(
        found, voice=voice, language=wanted.language or _not_english(settings.language), speed=wanted.speed or 1.0
    )


def llm(settings: Settings, choice: ProviderChoice = AS_INSTALLED.llm) -> Endpoint:
    """The LLM itself, also when Letta is between it and the assistant."""
    installed = ProviderChoice(
        provider=settings.llm_provider, base_url=settings.llm_base_url or None, model=settings.llm_model or None
    )
    wanted = _over(installed, choice)
    own_key = settings.llm_api_key if wanted.base_url == installed.base_url else ""
    return _endpoint(settings, "llm", wanted, OPENAI_LLM, own_key)


def embedding(settings: Settings) -> Endpoint:
    """The endpoint for sentence embeddings.

    Many OpenAI-style servers have no embeddings, so the one at OPENAI_BASE_URL is used only if VOICE_EMBEDDING_MODEL
    names a model that is not ours; OpenAI's own server is used without that.
    """
    name = settings.embedding_model
    if settings.embedding_base_url:
        base, key = _remote(settings, settings.embedding_base_url, settings.embedding_api_key)
    elif name in LOCAL_MODELS or (not name and not _is_openai(settings)):
        base = key = ""
    else:
        base, key = _remote(settings, "", "")
    if not base:
        model = local_model(name, "embedding")
        return Endpoint("embedding", settings.models_url, NO_KEY, model.name, local=True, version=model.version)
    # The same name on another server may be another model, or other weights of it.
    return Endpoint("embedding", base, key, name or OPENAI_EMBEDDING, local=False, version=urlsplit(base).netloc)


def _is_openai(settings: Settings) -> bool:
    host = urlsplit(settings.openai_base_url or OPENAI_URL).hostname or ""
    return bool(settings.openai_api_key) and f".{host}".endswith(".api.openai.com")


def _not_english(language: str) -> str:
    """English is left to a provider's default, which may know more."""
    return "" if language == ENGLISH.code else language


def missing(provider: str) -> Permanent | None:
    """The error for a livekit plugin that is not installed. It is looked up by name and not imported."""
    if importlib.util.find_spec(f"livekit.plugins.{provider}") is not None:
        return None
    # Plugins are released together with livekit-agents; another version would install another livekit-agents.
    package = f"livekit-plugins-{provider.replace('_', '-')}=={version('livekit-agents')}"
    return Permanent(
        Code.PROVIDER_UNAVAILABLE, f"The provider {provider} is not installed.", f"Install it: uv pip install {package}"
    )


def _over(installed: _Choice, choice: _Choice) -> _Choice:
    if choice.provider not in (None, installed.provider):
        return choice
    return installed.model_copy(update=choice.model_dump(exclude_none=True))


def _endpoint(settings: Settings, role: ModelRole, wanted: ProviderChoice, remote: str, own_key: str = "") -> Endpoint:
    if wanted.provider != OPENAI:
        url, model = wanted.base_url or "", wanted.model or ""
        return Endpoint(role, url, "", model, local=False, provider=wanted.provider or OPENAI)
    base, key = _remote(settings, wanted.base_url or "", own_key)
    if base:
        return Endpoint(role, base, key, wanted.model or remote, local=False)
    return Endpoint(role, settings.models_url, NO_KEY, local_model(wanted.model or "", role).name, local=True)


def _remote(settings: Settings, own_base: str, own_key: str) -> tuple[str, str]:
    """Base URL and key of a remote endpoint for a role; an empty URL means that the role is served locally."""
    if own_base:
        # The OpenAI key belongs to the OpenAI endpoint: it is not sent to the server that is set for a role.
        return own_base.rstrip("/"), own_key or NO_KEY
    if settings.openai_base_url:
        return settings.openai_base_url.rstrip("/"), settings.openai_api_key or NO_KEY
    if settings.openai_api_key:
        return OPENAI_URL, settings.openai_api_key
    return "", ""
