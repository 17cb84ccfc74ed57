"""Previews of voices: one sentence each, synthesised once by the configured TTS and kept."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any, Final

import httpx

from voice_agent.errors import Code, Temporary
from voice_agent.outbound import tls
from voice_agent.providers.endpoints import Endpoint
from voice_agent.providers.local_server import PREVIEW, PRIORITY_HEADER
from voice_agent.providers.sound import whole_wav
from voice_agent.providers.voices import Voice, sentence
from voice_agent.settings import Settings

PREVIEWS_PER_MINUTE: Final = 60
DEADLINE: Final = 25.0
"""Seconds in all, of which most may be spent waiting until no conversation needs the local models."""
LARGEST: Final = 2_000_000
"""Bytes; 20 seconds at 48 kHz."""
_KEPT: Final = 64

_Key = tuple[str, str, str, str, float]


class VoicePreviews:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kept: OrderedDict[_Key, bytes] = OrderedDict()
        self._one = asyncio.Lock()
        """One is synthesised at a time: a local model would be slower for both."""

    async def wav(self, endpoint: Endpoint, voice: Voice) -> bytes:
        text = sentence(voice, self._settings.language)
        key = (endpoint.base_url, endpoint.model, voice.id, text, endpoint.speed)
        try:
            async with asyncio.timeout(DEADLINE), self._one:
                wav = self._kept.pop(key, None) or await _synthesised(endpoint, voice.id, text)
        except TimeoutError:
            raise _busy(f"No preview could be made within {DEADLINE:g} s.") from None
        self._kept[key] = wav
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return wav


async def _synthesised(endpoint: Endpoint, voice: str, text: str) -> bytes:
    order: dict[str, Any] = {"model": endpoint.model, "input": text, "voice": voice, "response_format": "wav"}
    if endpoint.speed != 1.0:  # not every model of OpenAI's takes it
        order["speed"] = endpoint.speed
    headers = {"Authorization": f"Bearer {endpoint.api_key}"}
    if endpoint.local:
        headers[PRIORITY_HEADER] = PREVIEW  # yields to conversations
    sound = bytearray()
    url = f"{endpoint.base_url}/audio/speech"
    try:
        async with (
            httpx.AsyncClient(timeout=httpx.Timeout(DEADLINE, connect=5.0), verify=tls()) as client,
            client.stream("POST", url, json=order, headers=headers) as answer,
        ):
            if answer.status_code == 503 and endpoint.local:
                raise _busy("A conversation needs the voice now.")
            if not answer.is_success:
                raise _failed(f"It answered {answer.status_code}")
            async for chunk in answer.aiter_bytes():
                sound += chunk
                if len(sound) > LARGEST:
                    raise _failed("It did not end")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _failed(f"It gave no answer ({type(error).__name__})") from error
    wav = whole_wav(bytes(sound))
    if wav is None:
        raise _failed("It sent no WAV")
    return wav


def _failed(why: str) -> Temporary:
    return Temporary(
        Code.TTS_FAILED,
        f"The voice could not be made to speak. {why}.",
        "Try another voice; 'voice-agent doctor' shows whether speech works.",
    )


def _busy(why: str) -> Temporary:
    return Temporary(Code.MODEL_BUSY, why, "Try again in a moment.", retry_after=5)
