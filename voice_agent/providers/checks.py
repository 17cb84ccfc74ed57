"""Health checks of all model roles, made with real requests to the providers, before a user talks to a dead service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import httpx

from voice_agent.errors import Code, Permanent, Temporary, VoiceAgentError
from voice_agent.outbound import tls
from voice_agent.providers import endpoints
from voice_agent.providers.endpoints import OPENAI, Endpoint, missing
from voice_agent.providers.local_server import BACKGROUND, PRIORITY_HEADER, ModelRole
from voice_agent.providers.sound import SYNTHESIS_RATE, wav_file
from voice_agent.settings import Settings

WORD: Final = "Hello."
SHORTEST_SOUND: Final = SYNTHESIS_RATE * 2 // 10
"""Bytes of a tenth of a second: shorter audio is not a word."""
DEADLINE: Final = 30.0
FAILED: Final[Mapping[ModelRole, Code]] = {
    "stt": Code.STT_FAILED,
    "tts": Code.TTS_FAILED,
    "llm": Code.LLM_FAILED,
    "embedding": Code.EMBEDDING_FAILED,
}
CheckedRole = ModelRole | Literal["vad"]
NAMES: Final[Mapping[CheckedRole, str]] = {
    "stt": "speech recognition",
    "tts": "the voice",
    "llm": "the language model",
    "embedding": "the embedding model",
    "vad": "speech detection",
}


@dataclass(frozen=True)
class Check:
    role: CheckedRole
    subject: str
    error: VoiceAgentError | None
    """None if it works."""

    @property
    def ok(self) -> bool:
        return self.error is None

    def __str__(self) -> str:
        return f"{NAMES[self.role]}: {self.subject}: {self.error or 'works'}"


async def check_all(settings: Settings, deadline: float = DEADLINE) -> tuple[Check, ...]:
    """One check per role. A provider's failure is returned, never raised."""
    tts_endpoint, stt_endpoint, llm_endpoint = endpoints.tts(settings), endpoints.stt(settings), endpoints.llm(settings)
    embedding = endpoints.embedding(settings)
    async with httpx.AsyncClient(timeout=httpx.Timeout(deadline, connect=5.0), verify=tls()) as client:
        heard: list[bytes] = []

        async def speak() -> None:
            heard.append(await _synthesise(client, tts_endpoint))

        async def listen() -> None:
            await _recognise(client, stt_endpoint, heard[0] if heard else b"")

        async def think() -> None:
            await _complete(client, llm_endpoint)

        async def embed() -> None:
            await _embed(client, embedding)

        # One after the other: on few cores they would only compete, and STT is checked with the word that TTS made.
        return (
            await _checked(tts_endpoint, speak, deadline),
            await _checked(stt_endpoint, listen, deadline),
            await _checked(llm_endpoint, think, deadline),
            await _checked(embedding, embed, deadline),
            Check("vad", settings.vad_provider, missing(settings.vad_provider)),
        )


class _InUseError(Exception):
    """A conversation came first: the local model works."""


async def _checked(endpoint: Endpoint, work: Callable[[], Awaitable[None]], deadline: float) -> Check:
    error: VoiceAgentError | None = None
    if endpoint.provider != OPENAI:  # only its presence is checked: the rest shows in a conversation only
        error = missing(endpoint.provider)
    else:
        try:
            async with asyncio.timeout(deadline):
                await work()
        except _InUseError:
            pass
        except VoiceAgentError as failure:
            error = failure
        except (httpx.RequestError, TimeoutError) as failure:
            message = f"{endpoint.base_url} gave no answer ({type(failure).__name__})."
            error = Temporary(Code.MODEL_UNREACHABLE, message, "Check its address and that it runs.")
        except (httpx.InvalidURL, ValueError) as failure:
            # Without the text of the failure: it may quote the key.
            message = (
                f"{endpoint.base_url} cannot be asked: its URL or its key is not usable ({type(failure).__name__})."
            )
            remedy = (
                f"Correct VOICE_{endpoint.role.upper()}_BASE_URL or OPENAI_BASE_URL, and the key that goes with it."
            )
            error = Permanent(Code.SETTING_INVALID, message, remedy)
    where = "this machine" if endpoint.local else endpoint.base_url or endpoint.provider
    return Check(endpoint.role, f"{endpoint.model or 'its default'} on {where}", error)


async def _synthesise(client: httpx.AsyncClient, endpoint: Endpoint) -> bytes:
    body = {"model": endpoint.model, "voice": endpoint.voice, "input": WORD, "response_format": "pcm"}
    answer = await client.post(f"{endpoint.base_url}/audio/speech", json=body, headers=_headers(endpoint))
    _require(answer, endpoint)
    if len(answer.content) < SHORTEST_SOUND:
        raise Temporary(Code.TTS_FAILED, f"{endpoint.model} made no sound.", "Try another voice or model.")
    return answer.content


async def _recognise(client: httpx.AsyncClient, endpoint: Endpoint, word: bytes) -> None:
    # If TTS failed, a second of silence still shows whether the key, the model and the server are right.
    sound = wav_file(word or bytes(2 * SYNTHESIS_RATE), SYNTHESIS_RATE)
    answer = await client.post(
        f"{endpoint.base_url}/audio/transcriptions",
        files={"file": ("word.wav", sound, "audio/wav")},
        data={"model": endpoint.model, "language": "en"},
        headers=_headers(endpoint),
    )
    _require(answer, endpoint)
    text = _field(answer, endpoint, "text")
    if word and not str(text).strip():
        raise Temporary(Code.STT_FAILED, f"{endpoint.model} heard nothing in {WORD!r}.", "Try another model.")


async def _complete(client: httpx.AsyncClient, endpoint: Endpoint) -> None:
    # Streamed, as in conversations. Checks key, model and quota at the price of a word.
    asked = [{"role": "user", "content": "Say hello."}]
    body: dict[str, Any] = {"model": endpoint.model, "messages": asked, "stream": True}
    if endpoint.local:
        body["max_tokens"] = 1  # OpenAI's newer models refuse this field
    url = f"{endpoint.base_url}/chat/completions"
    async with client.stream("POST", url, json=body, headers=_headers(endpoint)) as answer:
        if answer.status_code >= 400:
            await answer.aread()
        _require(answer, endpoint)
        chunks = [line async for line in answer.aiter_lines() if line.startswith("data: ") and '"choices"' in line]
    if not chunks:
        raise Temporary(Code.LLM_FAILED, f"{endpoint.model} answered without a word.", "Try another model.")


async def _embed(client: httpx.AsyncClient, endpoint: Endpoint) -> None:
    body = {"model": endpoint.model, "input": WORD}
    answer = await client.post(f"{endpoint.base_url}/embeddings", json=body, headers=_headers(endpoint))
    _require(answer, endpoint)
    if not _field(answer, endpoint, "data"):
        raise Temporary(Code.EMBEDDING_FAILED, f"{endpoint.model} made no embedding.", "Try another model.")


def _headers(endpoint: Endpoint) -> dict[str, str]:
    # Background: a check must not delay a conversation.
    return {
        "Authorization": f"Bearer {endpoint.api_key}",
        **({PRIORITY_HEADER: BACKGROUND} if endpoint.local else {}),
    }


def _require(answer: httpx.Response, endpoint: Endpoint) -> None:
    status, where = answer.status_code, endpoint.base_url
    if status < 400:
        return
    if endpoint.local and _code(answer) == Code.MODEL_BUSY:
        raise _InUseError
    said = _said(answer)
    match status:
        case 401 | 403:
            raise Permanent(
                Code.UNAUTHORIZED, f"{where} does not accept the key.", "Check OPENAI_API_KEY or the role's key."
            )
        case 404:
            raise Permanent(
                Code.MODEL_UNKNOWN,
                f"{where} has no model {endpoint.model!r}{said}.",
                f"Set VOICE_{endpoint.role.upper()}_MODEL to one it has.",
            )
        case 429:
            raise Temporary(Code.RATE_LIMITED, f"{where} refuses more requests{said}.", "Check the account's quota.")
        case _ if status < 500:
            raise Permanent(FAILED[endpoint.role], f"{where} refuses the request{said}.", "Check model and voice.")
    raise Temporary(FAILED[endpoint.role], f"{where} answered {status}{said}.", "Try again in a moment.")


def _said(answer: httpx.Response) -> str:
    try:
        error = answer.json()["error"]
        return f" ({str(error['message'] if isinstance(error, dict) else error)[:200]})"
    except (ValueError, KeyError, TypeError):
        return ""


def _code(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return ""


def _field(answer: httpx.Response, endpoint: Endpoint, name: str) -> Any:
    try:
        return answer.json()[name]
    except (ValueError, KeyError, TypeError) as error:
        message = f"{endpoint.base_url} did not answer like an OpenAI server."
        raise Permanent(FAILED[endpoint.role], message, "Check the base URL; it usually ends with /v1.") from error
