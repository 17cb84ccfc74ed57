"""Chat completions: the recorder that says nothing, the local model, or whatever is upstream."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
    suppress,
)
from typing import Any, Final, Protocol

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from voice_agent.errors import Code, Permanent, Temporary, VoiceAgentError
from voice_agent.models import tool_answers
from voice_agent.models.admission import Admission
from voice_agent.models.answers import OwnedStream, error_body, unless_disconnected
from voice_agent.models.catalog import BACKGROUND_SUFFIX, PRIORITY_HEADER, RECORDER
from voice_agent.models.child import Child
from voice_agent.models.endpoints import Endpoint
from voice_agent.models.slots import Place, Slots
from voice_agent.models.tools import as_schema, wanted
from voice_agent.outbound import CONNECTIONS

EVENTS: Final = "text/event-stream"
LONGEST_ANSWER: Final = 1_024
"""Tokens, where the request names no bound: a small model may ramble to the end of its context."""
CONVERSATIONS: Final = 4
BACKGROUND_SLOT: Final = CONVERSATIONS
SLOTS: Final = CONVERSATIONS + 1
"""Prompts whose beginning stays computed: conversations, and one for background work so that it evicts none of them."""
COPIED: Final = "copied.slot"


class Brain(Protocol):
    """Something that answers a chat request, as a streamed HTTP response."""

    @property
    def local(self) -> bool:
        """Computed on this machine: it competes for the cores, and tools have to be translated for it."""

    def ask(self, body: dict[str, Any]) -> AbstractAsyncContextManager[httpx.Response]: ...


class LocalBrain:
    local = True

    def __init__(self, child: Child, model: str) -> None:
        self._child = child
        self._model = model
        self._slots = Slots(CONVERSATIONS)
        self._copying = asyncio.Lock()

    @asynccontextmanager
    async def ask(self, body: dict[str, Any]) -> AsyncIterator[httpx.Response]:
        if body["model"] != self._model:
            raise Permanent(
                Code.MODEL_UNKNOWN,
                f"The model {body['model']!r} does not exist here.",
                f"Use {self._model!r}, or see GET /v1/models.",
                param="model",
            )
        if not any(body.get(bound) for bound in ("max_tokens", "max_completion_tokens")):
            body = {**body, "max_tokens": LONGEST_ANSWER}
        with self._place(body) as place:
            if place.copy_of is not None:
                await self._copy(place.copy_of, place.slot)
            whole = {**body, "id_slot": place.slot}
            async with self._child.ask("/v1/chat/completions", Code.LLM_FAILED, json=whole) as response:
                yield response

    def _place(self, body: dict[str, Any]) -> AbstractContextManager[Place]:
        if body.get("id_slot") == BACKGROUND_SLOT:
            return nullcontext(Place(BACKGROUND_SLOT))
        prompt = json.dumps(body["messages"])
        # Who does not say which conversation it is is known by its beginning.
        return self._slots.place(str(body.get("prompt_cache_key") or json.dumps(body["messages"][0])), prompt)

    async def _copy(self, known: int, to: int) -> None:
        """The prompt is read anew where this fails."""
        with suppress(VoiceAgentError):
            async with self._copying:
                for slot, action in ((known, "save"), (to, "restore")):
                    order = {"filename": COPIED}
                    async with self._child.ask(f"/slots/{slot}?action={action}", Code.LLM_FAILED, json=order) as done:
                        await done.aread()


class Upstream:
    """Another OpenAI-style server. Its refusals are passed on as they are; only its silence is ours to explain."""

    local = False

    def __init__(self, endpoint: Endpoint) -> None:
        self._url = endpoint.base_url
        self.client = httpx.AsyncClient(
            base_url=endpoint.base_url,
            headers={"Authorization": f"Bearer {endpoint.api_key}"},
            timeout=httpx.Timeout(120.0, connect=5.0),
            limits=CONNECTIONS,
        )

    @asynccontextmanager
    async def ask(self, body: dict[str, Any]) -> AsyncIterator[httpx.Response]:
        try:
            async with self.client.stream("POST", "/chat/completions", json=body) as response:
                yield response
        except httpx.TransportError as error:
            raise Temporary(
                Code.LLM_FAILED,
                f"The language model at {self._url} gave no answer ({type(error).__name__}).",
                "Check VOICE_LLM_BASE_URL or OPENAI_BASE_URL and that the server runs.",
            ) from error


def parse(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise Permanent(Code.BAD_REQUEST, "The request body is not a JSON object.")
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise Permanent(Code.BAD_REQUEST, "model is missing.", "See GET /v1/models.", param="model")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
        raise Permanent(Code.BAD_REQUEST, "messages must be a list with at least one message.", param="messages")
    return body


async def complete(request: Request, brain: Brain, body: dict[str, Any], admission: Admission) -> Response:
    if body["model"] == RECORDER:
        return record(body)
    waits = request.headers.get(PRIORITY_HEADER) != "background"
    if body["model"].endswith(BACKGROUND_SUFFIX):
        waits = False
        body = {**body, "model": body["model"].removesuffix(BACKGROUND_SUFFIX)}
        if brain.local:
            body["id_slot"] = BACKGROUND_SLOT
    if not brain.local:
        return await unless_disconnected(request, _upstream(brain, body), "chat")
    if waits:
        return await unless_disconnected(request, _live(brain, body, admission), "chat")
    return await unless_disconnected(request, _background(brain, body, admission), "chat-background")


async def _upstream(brain: Brain, body: dict[str, Any]) -> Response:
    async with AsyncExitStack() as stack:
        return await _answer(brain, body, stack)


async def _live(brain: Brain, body: dict[str, Any], admission: Admission) -> Response:
    async with AsyncExitStack() as stack:
        stack.enter_context(admission.live())
        return await _answer(brain, body, stack)


async def _background(brain: Brain, body: dict[str, Any], admission: Admission) -> Response:
    """Collected before it is sent: nobody listens, and what is aborted then fails with a status."""
    async with admission.background(), AsyncExitStack() as stack:
        answer = await _answer(brain, body, stack)
        if not isinstance(answer, OwnedStream):
            return answer
        content = b"".join([part async for part in answer.source])
        return Response(content, media_type=EVENTS)


async def _answer(brain: Brain, body: dict[str, Any], stack: AsyncExitStack) -> Response:
    """A stream takes over everything that the stack holds."""
    tools = wanted(body) if brain.local else ()
    answer = await stack.enter_async_context(brain.ask(as_schema(body, tools) if tools else body))
    media_type = answer.headers.get("content-type", "")
    if answer.status_code < 400 and media_type.startswith(EVENTS):
        owned = stack.pop_all()
        source = tool_answers.streamed(answer.aiter_lines()) if tools else answer.aiter_raw()
        return OwnedStream(_events(source, owned), owned, EVENTS)
    content = await answer.aread()
    if tools:
        return JSONResponse(tool_answers.whole(json.loads(content)))
    return Response(content, answer.status_code, media_type=media_type or None)


async def _events(source: AsyncIterator[bytes], owned: AsyncExitStack) -> AsyncGenerator[bytes, None]:
    try:
        async with owned:  # left here, so that a broken connection becomes one of our errors
            async for chunk in source:
                yield chunk
    except VoiceAgentError as error:
        # The status was sent long ago: OpenAI's clients raise an error event as an APIError.
        yield f"data: {json.dumps(error_body(error))}\n\n".encode()


def record(body: dict[str, Any]) -> Response:
    """A complete, valid answer without a single word."""
    usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": RECORDER}
    if not body.get("stream"):
        choice = {"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "stop"}
        return JSONResponse({**head, "object": "chat.completion", "choices": [choice], "usage": usage})

    def event(**fields: Any) -> bytes:
        return f"data: {json.dumps({**head, 'object': 'chat.completion.chunk', **fields})}\n\n".encode()

    async def events() -> AsyncIterator[bytes]:
        yield event(choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])
        yield event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
        yield event(choices=[], usage=usage)
        yield b"data: [DONE]\n\n"

    return StreamingResponse(events(), media_type=EVENTS)
