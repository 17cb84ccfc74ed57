"""Audio endpoints of the front: validate requests of OpenAI's clients and pass them to the speech child."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, Final, Protocol

import httpx
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from voice_agent.errors import Code, Permanent
from voice_agent.languages import AUTO, LANGUAGES, find, primary
from voice_agent.models.catalog import MOONSHINE, VOICE_ALIASES, WHISPER, Model, voice_of
from voice_agent.models.child import Child
from voice_agent.models.child_io import LANGUAGE_HEADER
from voice_agent.models.encode import MEDIA_TYPES, Encoder, encoder
from voice_agent.models.responses import OwnedStream, unless_disconnected
from voice_agent.models.scheduler import Scheduler
from voice_agent.models.speech_store import Key, SpeechStore
from voice_agent.providers.local_server import AHEAD, CAPTION, PREVIEW, PRIORITY_HEADER

OPENAI_STT: Final = frozenset({"whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe"})
_RECOGNISERS: Final = frozenset({MOONSHINE.name, WHISPER.name, *OPENAI_STT})
"""The language decides which one is used, whatever the name."""
OPENAI_TTS: Final = frozenset({"tts-1", "tts-1-hd", "gpt-4o-mini-tts"})
"""OpenAI's names mean ours, so that a client written for OpenAI works unchanged."""
LARGEST_UPLOAD: Final = 25_000_000
LONGEST_TEXT: Final = 20_000
SLOWEST, FASTEST = 0.25, 4.0
MODEL_SLOWEST, MODEL_FASTEST = 0.5, 2.0
"""Outside these Kokoro's speech breaks down; OpenAI's wider range is accepted and clipped."""


class Recognisers(Protocol):
    """The recogniser of each language; one that is not needed from the start is started when it is asked for."""

    async def recogniser(self, language: str) -> tuple[Child, Model]: ...


async def transcriptions(request: Request, recognisers: Recognisers, scheduler: Scheduler, installed: str) -> Response:
    """`installed`: the language of a request that names none."""
    async with request.form(max_files=1, max_fields=32) as form:
        upload = form.get("file")
        if not isinstance(upload, UploadFile):
            raise Permanent(Code.BAD_REQUEST, "The form has no file.", "Send multipart/form-data.", param="file")
        name = str(form.get("model", ""))
        if name not in _RECOGNISERS:
            raise Permanent(
                Code.MODEL_UNKNOWN,
                f"The model {name!r} does not exist here.",
                f"Use {MOONSHINE.name!r} or {WHISPER.name!r}.",
                param="model",
            )
        language = _language(str(form.get("language") or ""), name, installed)
        form_of_answer = str(form.get("response_format") or "json")
        if form_of_answer not in {"json", "text", "verbose_json"}:
            raise Permanent(
                Code.BAD_REQUEST,
                f"response_format {form_of_answer!r} is not supported.",
                "Use json, text or verbose_json.",
                param="response_format",
            )
        data = await upload.read()
    child, _ = await recognisers.recogniser(language)
    work = _transcribe(child, data, language, scheduler, caption=request.headers.get(PRIORITY_HEADER) == CAPTION)
    heard = await unless_disconnected(request, work, "transcribe")
    if form_of_answer == "text":
        return PlainTextResponse(heard["text"] + "\n")
    if form_of_answer == "verbose_json":
        spoken = find(heard["language"]).english.lower()
        extra = {"task": "transcribe", "language": spoken, "duration": heard["seconds"], "segments": []}
        return JSONResponse({"text": heard["text"], **extra})
    usage = {"type": "duration", "seconds": round(heard["seconds"])}
    return JSONResponse({"text": heard["text"], "languages": [{"code": heard["language"]}], "usage": usage})


def _language(wanted: str, model: str, installed: str) -> str:
    """Code of the language to expect; empty: it is to be recognised."""
    if model == WHISPER.name:
        installed = ""
    language = primary(wanted or installed)
    if language in ("", AUTO):
        return ""
    if language not in LANGUAGES:
        raise Permanent(
            Code.BAD_REQUEST,
            f"The local recognisers do not understand the language {wanted!r}.",
            f"Use {', '.join(LANGUAGES)} or {AUTO}, or point VOICE_STT_BASE_URL at a server that knows it.",
            param="language",
        )
    return language


async def _transcribe(
    child: Child, data: bytes, language: str, scheduler: Scheduler, *, caption: bool
) -> dict[str, Any]:
    if caption:
        async with scheduler.captioning():
            return await _asked(child, f"/transcribe?priority={CAPTION}", data, language)
    with scheduler.speech():
        return await _asked(child, "/transcribe", data, language)


async def _asked(child: Child, path: str, data: bytes, language: str) -> dict[str, Any]:
    headers = {LANGUAGE_HEADER: language}
    async with child.ask(path, Code.STT_FAILED, content=data, headers=headers) as answer:
        await answer.aread()
        heard: dict[str, Any] = answer.json()
    return heard


async def speech(
    request: Request, child: Child, model: Model, asked: Any, scheduler: Scheduler, store: SpeechStore
) -> Response:
    order, form_of_answer = _order(asked, model)
    key = (order["text"], order["voice"], order["speed"])
    known = store.get(key)
    priority = request.headers.get(PRIORITY_HEADER)
    if priority == AHEAD:
        if known is None:
            store.put(key, await unless_disconnected(request, _ahead(child, order, scheduler), "speak-ahead"))
        return Response(status_code=204)
    if known is None and priority == PREVIEW:
        known = await unless_disconnected(request, _preview(child, order, scheduler), "speak-preview")
    if known is not None:
        to = encoder(form_of_answer)
        return Response(to.feed(known) + to.finish(), media_type=MEDIA_TYPES[form_of_answer])
    async with AsyncExitStack() as stack:
        stack.enter_context(scheduler.answering())
        answer = await unless_disconnected(request, _begun(child, order, scheduler, stack), "speak")
        owned = stack.pop_all()
        source = answer.aiter_raw()
        if store.asked_again(key):
            source = _kept(source, key, store)
        return OwnedStream(_sound(source, encoder(form_of_answer), owned), owned, MEDIA_TYPES[form_of_answer])


async def _begun(child: Child, order: dict[str, Any], scheduler: Scheduler, stack: AsyncExitStack) -> httpx.Response:
    """Returns with the first piece of the sound."""
    with scheduler.speech():
        return await stack.enter_async_context(child.ask("/speak", Code.TTS_FAILED, json=order))


async def _ahead(child: Child, order: dict[str, Any], scheduler: Scheduler) -> bytes:
    """Speech that will be asked for, made when nobody waits for another."""
    async with scheduler.background(), child.ask("/speak", Code.TTS_FAILED, json=order) as answer:
        return await answer.aread()


async def _preview(child: Child, order: dict[str, Any], scheduler: Scheduler) -> bytes:
    async with scheduler.ahead(), child.ask("/speak", Code.TTS_FAILED, json=order) as answer:
        return await answer.aread()


async def _kept(source: AsyncIterator[bytes], key: Key, store: SpeechStore) -> AsyncIterator[bytes]:
    parts = []
    async for chunk in source:
        parts.append(chunk)
        yield chunk
    store.put(key, b"".join(parts))


async def _sound(source: AsyncIterator[bytes], to: Encoder, owned: AsyncExitStack) -> AsyncGenerator[bytes, None]:
    async with owned:
        async for chunk in source:
            yield to.feed(chunk)
        yield to.finish()


def _order(asked: Any, model: Model) -> tuple[dict[str, Any], str]:
    """The request to the child and the format of the answer."""
    if not isinstance(asked, dict):
        raise Permanent(Code.BAD_REQUEST, "The request body is not a JSON object.")
    text = asked.get("input")
    if not isinstance(text, str) or not text.strip():
        raise Permanent(Code.BAD_REQUEST, "input must be a text that is not empty.", param="input")
    if len(text) > LONGEST_TEXT:
        raise Permanent(
            Code.BAD_REQUEST,
            f"input has {len(text)} characters; {LONGEST_TEXT} are the most.",
            "Send it in parts.",
            param="input",
        )
    _known(asked.get("model"), OPENAI_TTS, model)
    speed = asked.get("speed", 1.0)
    if not isinstance(speed, int | float) or isinstance(speed, bool) or not SLOWEST <= speed <= FASTEST:
        raise Permanent(Code.BAD_REQUEST, f"speed must be between {SLOWEST} and {FASTEST}.", param="speed")
    wanted = asked.get("response_format") or "mp3"
    if wanted not in MEDIA_TYPES:
        raise Permanent(
            Code.BAD_REQUEST,
            f"response_format {wanted!r} is not supported.",
            f"Use one of {', '.join(MEDIA_TYPES)}.",
            param="response_format",
        )
    clipped = min(max(float(speed), MODEL_SLOWEST), MODEL_FASTEST)
    return {"text": text, "voice": _voice(asked.get("voice"), model), "speed": clipped}, wanted


def _known(name: Any, of_openai: frozenset[str], model: Model) -> None:
    if not isinstance(name, str) or name not in {model.name, *of_openai}:
        raise Permanent(
            Code.MODEL_UNKNOWN, f"The model {name!r} does not exist here.", f"Use {model.name!r}.", param="model"
        )


def _voice(wanted: Any, model: Model) -> str:
    name = wanted.get("id") if isinstance(wanted, dict) else wanted
    voice = voice_of(model, name) if isinstance(name, str) else voice_of(model, "") if name is None else None
    if voice is None:
        known = ", ".join([*model.voices, *VOICE_ALIASES])
        raise Permanent(Code.BAD_REQUEST, f"There is no voice {wanted!r}.", f"Known voices: {known}.", param="voice")
    return voice
