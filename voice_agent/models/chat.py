"""Chat completions endpoint: OpenAI's interface over a chat backend, and the recorder model, whose answer is empty."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from voice_agent.errors import Code, Permanent, Temporary, VoiceAgentError
from voice_agent.models.chat_backends import EVENTS, SLOT_OF, ChatBackend
from voice_agent.models.responses import OwnedStream, error_body, unless_disconnected
from voice_agent.models.scheduler import Scheduler
from voice_agent.prompt_text import plain
from voice_agent.providers.local_server import (
    AHEAD,
    BACKGROUND,
    BACKGROUND_SUFFIX,
    CHECK,
    CHECK_AHEAD,
    FACTS,
    PRIORITY_HEADER,
    RECORDER,
    SHARED_PROMPT,
)


def parse(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise Permanent(Code.BAD_REQUEST, "The request body is not a JSON object.")
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise Permanent(Code.BAD_REQUEST, "model is missing.", "See GET /v1/models.", param="model")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
        raise Permanent(Code.BAD_REQUEST, "messages must be a list with at least one message.", param="messages")
    asked = {key: value for key, value in body.items() if key != "id_slot"}  # the slot is chosen here
    return asked | {"messages": [_plain(message) for message in messages]}


def _plain(message: dict[str, Any]) -> dict[str, Any]:
    """llama.cpp parses chat template markers in any text: a user who writes them would speak as the system."""
    content = message.get("content")
    if isinstance(content, str):
        return message | {"content": plain(content)}
    if isinstance(content, list):
        return message | {"content": [_plain_part(part) for part in content]}
    return message


def _plain_part(part: Any) -> Any:
    if isinstance(part, dict) and isinstance(part.get("text"), str):
        return part | {"text": plain(part["text"])}
    return part


async def complete(request: Request, backend: ChatBackend, body: dict[str, Any], scheduler: Scheduler) -> Response:
    if body["model"] == RECORDER:
        return record(body)
    priority = request.headers.get(PRIORITY_HEADER)
    if body["model"].endswith(BACKGROUND_SUFFIX):
        priority = BACKGROUND
        body = {**body, "model": body["model"].removesuffix(BACKGROUND_SUFFIX)}
    if not backend.local:
        return await unless_disconnected(request, _upstream(backend, body), "chat")
    if priority is not None and priority in SLOT_OF:
        # A key says that the prompt is kept: of the agent that it names, or of all checks.
        keys = {SHARED_PROMPT: body.get("prompt_cache_key"), CHECK_AHEAD: CHECK_AHEAD}
        key = keys.get(priority)
        body = {**body, "id_slot": SLOT_OF[priority], "prompt_cache_key": key}
    if priority == CHECK and not backend.can_check():
        raise Temporary(
            Code.MODEL_BUSY,
            "What every check begins with is not read yet.",
            "It is read when nobody waits for an answer.",
        )
    if priority == SHARED_PROMPT and backend.is_cached(body):
        return record(body)
    if priority not in (AHEAD, BACKGROUND, FACTS, SHARED_PROMPT, CHECK_AHEAD):
        return await unless_disconnected(request, _answering(backend, body, scheduler), "chat")
    turn = scheduler.ahead() if priority == AHEAD else scheduler.background()
    return await unless_disconnected(request, _collected(backend, body, turn), f"chat-{priority}")


async def _upstream(backend: ChatBackend, body: dict[str, Any]) -> Response:
    async with AsyncExitStack() as stack:
        return await _answer(backend, body, stack)


async def _answering(backend: ChatBackend, body: dict[str, Any], scheduler: Scheduler) -> Response:
    async with AsyncExitStack() as stack:
        stack.enter_context(scheduler.answering())
        return await _answer(backend, body, stack)


async def _collected(backend: ChatBackend, body: dict[str, Any], turn: AbstractAsyncContextManager[None]) -> Response:
    """Collected before it is sent: no caller streams it, and an aborted request then fails with a status."""
    async with turn, backend.ask(body) as answer:
        content = answer.content
        whole = content if isinstance(content, bytes) else b"".join([part async for part in content])
        return Response(whole, answer.status, media_type=answer.media_type)


async def _answer(backend: ChatBackend, body: dict[str, Any], stack: AsyncExitStack) -> Response:
    """A streamed response takes over everything that the stack holds."""
    answer = await stack.enter_async_context(backend.ask(body))
    if isinstance(answer.content, bytes):
        return Response(answer.content, answer.status, media_type=answer.media_type)
    owned = stack.pop_all()
    return OwnedStream(_events(answer.content, owned), owned, EVENTS)


async def _events(source: AsyncIterator[bytes], owned: AsyncExitStack) -> AsyncGenerator[bytes, None]:
    try:
        async with owned:  # exited inside the try, so that a broken connection becomes one of our errors
            async for chunk in source:
                yield chunk
    except VoiceAgentError as error:
        # The status has been sent already: OpenAI's clients raise an error event as an APIError.
        yield f"data: {json.dumps(error_body(error))}\n\n".encode()


def record(body: dict[str, Any]) -> Response:
    """A complete, valid answer with empty content."""
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
