"""What the providers offer: voices and models that exist, as far as their servers tell."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx

from voice_agent.contracts import ProviderChoice, ProviderChoices
from voice_agent.errors import Code, Permanent
from voice_agent.outbound import tls
from voice_agent.providers import endpoints
from voice_agent.providers.checks import NAMES
from voice_agent.providers.endpoints import OPENAI, OPENAI_URL, Endpoint
from voice_agent.providers.local_server import BACKGROUND_SUFFIX, LOCAL_MODELS, RECORDER
from voice_agent.providers.voices import LOCAL_VOICES, OPENAI_ALIASES, OPENAI_VOICES, VoiceList, told_by_server
from voice_agent.settings import Settings

DEADLINE: Final = 3.0
"""Seconds for a server to tell what it has. One that is slower is not known to lack anything."""
KEPT: Final = 60.0
"""Seconds for which a list of voices is kept: everybody may ask for it, and a server is not asked by each of them."""
_MOST: Final = 64


class Offers:
    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._answers: dict[str, tuple[float, Any]] = {}

    async def voices(self, endpoint: Endpoint) -> VoiceList:
        """Voices of a TTS endpoint."""
        if endpoint.local:
            return VoiceList(LOCAL_VOICES.get(endpoint.model, ()), complete=True, aliases=OPENAI_ALIASES)
        if endpoint.provider != OPENAI:
            return VoiceList((), complete=False)
        if endpoint.base_url == OPENAI_URL:
            return VoiceList(OPENAI_VOICES, complete=False)
        told = told_by_server(await self._kept(endpoint, "/audio/voices"))
        return VoiceList(told, complete=bool(told))

    async def models(self, endpoint: Endpoint) -> frozenset[str] | None:
        """Models of the endpoint for its role. None: that is not known."""
        if endpoint.provider != OPENAI:
            return None
        listed = _ids(await _answer(endpoint, "/models"))
        if not endpoint.local:
            # A proxy may list patterns.
            return frozenset(listed) if listed and not any("*" in name for name in listed) else None
        ours = {name for name, model in LOCAL_MODELS.items() if model.role == endpoint.role}
        return frozenset(ours & listed if listed else ours)

    async def require(self, choices: ProviderChoices) -> None:
        """Raises if a chosen model or voice is known not to exist. What cannot be known is let through."""
        for role, choice in (("stt", choices.stt), ("llm", choices.llm), ("tts", choices.tts)):
            if choice.model:
                await self._require_model(self._endpoint(role, choices), choice)
        if choices.tts.voice:
            endpoint = self._endpoint("tts", choices)
            voices = await self.voices(endpoint)
            if voices.complete and not voices.knows(choices.tts.voice):
                raise Permanent(
                    Code.VOICE_UNKNOWN,
                    f"There is no voice {choices.tts.voice!r} of {endpoint.model}.",
                    f"Choose one of: {', '.join(voice.id for voice in voices.voices)}.",
                )

    async def _require_model(self, endpoint: Endpoint, choice: ProviderChoice) -> None:
        known = await self.models(endpoint)
        # Ollama lists a tag that may be left out.
        if known is not None and not {choice.model, f"{choice.model}:latest"} & known:
            raise Permanent(
                Code.MODEL_NOT_SERVED,
                f"There is no model {choice.model!r} for {NAMES[endpoint.role]}.",
                f"Choose one of: {', '.join(sorted(known))}.",
            )

    def _endpoint(self, role: str, choices: ProviderChoices) -> Endpoint:
        """Without the chosen model: a wrong one is to be found out here."""
        unnamed: Mapping[str, Any] = {"model": None}
        if role == "stt":
            return endpoints.stt(self._settings, choices.stt.model_copy(update=unnamed))
        if role == "llm":
            return endpoints.llm(self._settings, choices.llm.model_copy(update=unnamed))
        known = choices.tts.model if choices.tts.model in LOCAL_VOICES else None
        return endpoints.tts(self._settings, choices.tts.model_copy(update={"model": known}))

    async def _kept(self, endpoint: Endpoint, path: str) -> Any:
        url = f"{endpoint.base_url}{path}"
        at, found = self._answers.get(url, (-KEPT, None))
        if self._clock() - at >= KEPT:
            found = await _answer(endpoint, path)
            self._answers[url] = self._clock(), found
            if len(self._answers) > _MOST:
                del self._answers[next(iter(self._answers))]
        return found


async def _answer(endpoint: Endpoint, path: str) -> Any:
    """None: the server gave no answer that is JSON."""
    try:
        async with httpx.AsyncClient(timeout=DEADLINE, verify=tls()) as client:
            headers = {"Authorization": f"Bearer {endpoint.api_key}"}
            answer = await client.get(f"{endpoint.base_url}{path}", headers=headers)
            return answer.json() if answer.is_success else None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return None


def _ids(answer: Any) -> set[str]:
    data = answer.get("data") if isinstance(answer, Mapping) else None
    listed = data if isinstance(data, list) else ()
    names = {str(one["id"]) for one in listed if isinstance(one, Mapping) and one.get("id")}
    return {name for name in names if name != RECORDER and not name.endswith(BACKGROUND_SUFFIX)}
