"""STT, LLM, TTS and VAD of an assistant: OpenAI-style endpoints by one plugin, other livekit plugins by name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import uuid4

from livekit.agents import NOT_GIVEN, llm, stt, tts, vad
from livekit.plugins import openai, silero
from openai import AsyncClient, DefaultAsyncHttpxClient

from voice_agent.contracts import ProviderChoices
from voice_agent.conversation import plugins
from voice_agent.conversation.eager_stt import EagerStt
from voice_agent.conversation.first_clause import FirstClauseTokenizer
from voice_agent.conversation.turn_end import TurnEndDetector
from voice_agent.languages import AUTO, ENGLISH, Language, find
from voice_agent.outbound import tls
from voice_agent.providers import endpoints
from voice_agent.providers.endpoints import OPENAI, Endpoint
from voice_agent.providers.local_server import CAPTION, PRIORITY_HEADER, local_model
from voice_agent.settings import Settings

SILENCE: Final = 10.0
"""Seconds without a byte after which STT or TTS has failed. The plugins ask for 30, twice, whatever is set."""
END_OF_TURN: Final = 0.4
"""Seconds of silence (docs/adr/0007-the-sound-of-a-pause-ends-a-turn.md)."""
_SILERO: Final = "silero"


@dataclass(frozen=True, slots=True)
class Providers:
    vad: vad.VAD
    stt: stt.STT[Any]
    llm: llm.LLM[Any]
    tts: tts.TTS[Any]
    turn_end: TurnEndDetector | None
    """None: silence ends a turn."""
    llm_endpoint: Endpoint
    stt_endpoint: Endpoint
    tts_endpoint: Endpoint
    clients: tuple[AsyncClient, ...]
    """To be closed here: plugins do not close the clients that they were given."""

    def speak_in(self, language: Language) -> None:
        """Switch to a language that was recognised."""
        if isinstance(self.tts, _ClauseByClause):
            self.tts.speak_in(language)

    async def aclose(self) -> None:
        for plugin in (self.stt, self.llm, self.tts):
            await plugin.aclose()
        if self.turn_end is not None:
            await self.turn_end.aclose()
        for client in self.clients:
            await client.close()


Build = Callable[[ProviderChoices], Providers]


def build_providers(
    settings: Settings, loaded: vad.VAD, choices: ProviderChoices, silence: float = SILENCE
) -> Providers:
    """`loaded` is the installation's VAD, loaded ahead. Raises Permanent if a provider is unavailable."""
    stt_endpoint, llm_endpoint = endpoints.stt(settings, choices.stt), endpoints.llm(settings, choices.llm)
    if llm_endpoint.local:
        llm_endpoint = replace(llm_endpoint, conversation=uuid4().hex)
    tts_endpoint = endpoints.tts(settings, choices.tts)
    stt_client, tts_client = _client(stt_endpoint, silence), _client(tts_endpoint, silence)
    llm_client = _client(llm_endpoint)
    wanted = choices.vad.provider or settings.vad_provider
    detection = loaded if wanted == settings.vad_provider else load_vad(wanted)
    return Providers(
        vad=detection,
        stt=_listening(stt_endpoint, stt_client, detection),
        llm=_llm(llm_endpoint, llm_client),
        tts=_tts(tts_endpoint, tts_client),
        turn_end=TurnEndDetector(settings.models_url) if settings.turn_end == "model" else None,
        llm_endpoint=llm_endpoint,
        stt_endpoint=stt_endpoint,
        tts_endpoint=tts_endpoint,
        clients=tuple(client for client in (stt_client, llm_client, tts_client) if client is not None),
    )


def load_vad(provider: str = _SILERO) -> vad.VAD:
    if provider == _SILERO:
        return silero.VAD.load(min_silence_duration=END_OF_TURN)
    found: vad.VAD = plugins.loaded_vad(provider)
    return found


def _listening(endpoint: Endpoint, client: AsyncClient | None, detection: vad.VAD) -> stt.STT[Any]:
    recogniser = _stt(endpoint, client)
    if client is None or not endpoint.local:  # a remote STT charges for every recognition
        return recogniser
    captions = _stt(endpoint, client.with_options(default_headers={PRIORITY_HEADER: CAPTION}))
    return EagerStt(recogniser=recogniser, vad=detection, captions=captions)


def _stt(endpoint: Endpoint, client: AsyncClient | None) -> stt.STT[Any]:
    if client is not None:
        detects = endpoint.language == AUTO
        language = ENGLISH.code if detects else endpoint.language or ENGLISH.code
        return openai.STT(
            model=endpoint.model, client=client, use_realtime=False, language=language, detect_language=detects
        )
    # A plugin's own default where the language is to be recognised: each names that in another way.
    language = "" if endpoint.language == AUTO else endpoint.language
    options = {"model": endpoint.model, "base_url": endpoint.base_url, "language": language}
    found: stt.STT[Any] = plugins.made(endpoint.provider, "STT", options)
    return found


def _llm(endpoint: Endpoint, client: AsyncClient | None) -> llm.LLM[Any]:
    if client is not None:
        made = _LocalLlm if endpoint.local else openai.LLM
        return made(model=endpoint.model, client=client, prompt_cache_key=endpoint.conversation or NOT_GIVEN)
    options = {"model": endpoint.model, "base_url": endpoint.base_url}
    found: llm.LLM[Any] = plugins.made(endpoint.provider, "LLM", options)
    return found


class _LocalLlm(openai.LLM):
    def prewarm(self, *, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Nothing: livekit would list the models of our server while somebody waits for the greeting."""


def _tts(endpoint: Endpoint, client: AsyncClient | None) -> tts.TTS[Any]:
    if client is not None:
        return _ClauseByClause(
            openai.TTS(
                model=endpoint.model, voice=endpoint.voice, speed=endpoint.speed, client=client, response_format="pcm"
            ),
            endpoint,
        )
    options = {
        "model": endpoint.model,
        "base_url": endpoint.base_url,
        "voice": endpoint.voice,
        "language": "" if endpoint.language == AUTO else endpoint.language,
        "speed": endpoint.speed if endpoint.speed != 1.0 else 0,
    }
    found: tts.TTS[Any] = plugins.made(endpoint.provider, "TTS", options)
    return found if found.capabilities.streaming else _ClauseByClause(found, endpoint)


class _ClauseByClause(tts.StreamAdapter):
    """Adapter that gives a TTS for whole texts one clause at a time. By itself livekit waits for a long sentence."""

    def __init__(self, voice: tts.TTS[Any], endpoint: Endpoint) -> None:
        self._tokenizer = FirstClauseTokenizer(find(endpoint.language))
        super().__init__(tts=voice, sentence_tokenizer=self._tokenizer)
        self._voice = voice
        self._endpoint = endpoint

    def speak_in(self, language: Language) -> None:
        """From the next answer on. A voice that was chosen stays; another provider's voices know many languages."""
        self._tokenizer.language = language
        if self._endpoint.local and isinstance(self._voice, openai.TTS):
            local = local_model(self._endpoint.model, "tts")
            if self._endpoint.voice == local.voice:
                self._voice.update_options(voice=local.voice_in(language.code))

    async def aclose(self) -> None:
        await super().aclose()
        await self._voice.aclose()


def _client(endpoint: Endpoint, silence: float | None = None) -> AsyncClient | None:
    """`silence` replaces the plugin's read timeout. Returns None if the endpoint's plugin makes its own clients."""
    if endpoint.provider != OPENAI:
        return None

    async def bound(request: Any) -> None:
        request.extensions["timeout"] = {**request.extensions["timeout"], "read": silence}

    hooks = {} if silence is None else {"request": [bound]}
    http = DefaultAsyncHttpxClient(event_hooks=hooks, verify=tls())
    return AsyncClient(max_retries=0, api_key=endpoint.api_key, base_url=endpoint.base_url, http_client=http)
