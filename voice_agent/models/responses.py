"""HTTP responses as OpenAI's clients expect them, and requests that are cancelled when the client disconnects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import AsyncExitStack, aclosing
from typing import Any, Final, TypeVar

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from voice_agent.errors import Code, VoiceAgentError

log = structlog.get_logger()
T = TypeVar("T")

STATUS: Final[Mapping[Code, int]] = {
    Code.BAD_REQUEST: 400,
    Code.FORBIDDEN: 403,
    Code.MEDIA_TYPE_REFUSED: 415,
    Code.NOT_FOUND: 404,
    Code.MODEL_UNKNOWN: 404,
    Code.RATE_LIMITED: 429,
    Code.MODEL_BUSY: 503,
    Code.MODEL_UNREACHABLE: 503,
    Code.LLM_FAILED: 502,
    Code.STT_FAILED: 502,
    Code.TTS_FAILED: 502,
    Code.EMBEDDING_FAILED: 502,
}


def error_body(error: VoiceAgentError) -> dict[str, Any]:
    """OpenAI's four fields, and `remedy`."""
    status = STATUS.get(error.code, 500)
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {**error.as_dict(), "type": kind, "param": error.detail.get("param")}}


def error_response(error: VoiceAgentError, status: int = 0) -> JSONResponse:
    status = status or STATUS.get(error.code, 500)
    headers = {"Retry-After": "1"} if status == 503 else None
    return JSONResponse(error_body(error), status, headers)


class OwnedStream(StreamingResponse):
    """Streaming response that closes its source and `owned` when the client disconnects, not at garbage collection."""

    def __init__(self, source: AsyncGenerator[bytes, None], owned: AsyncExitStack, media_type: str) -> None:
        super().__init__(source, media_type=media_type)
        self.source = source
        self._owned = owned

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # `owned` as well as the source: a generator that was never started does not run its clean-up.
        try:
            async with self._owned, aclosing(self.source):
                await super().__call__(scope, receive, send)
        except VoiceAgentError as error:
            # Returning early makes the server cut the connection: the only way to signal an incomplete response.
            log.warning("models.answer_broken", path=scope["path"], **error.as_dict())


class ClientGoneError(Exception):
    """The client disconnected; there is nothing to send."""


async def unless_disconnected(request: Request, work: Coroutine[Any, Any, T], name: str) -> T:
    """The result of `work`, which is cancelled and awaited when the client disconnects first."""
    working = asyncio.create_task(work, name=name)
    watching = asyncio.create_task(_disconnected(request), name=f"{name}-watch")
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGoneError
        return working.result()
    finally:
        for task in (working, watching):
            task.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def on_our_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, VoiceAgentError)
    return error_response(error)


async def on_client_gone(_: Request, __: Exception) -> Response:
    return Response(status_code=499)  # seen by the access log only


HANDLERS: Final[Mapping[Any, Any]] = {VoiceAgentError: on_our_error, ClientGoneError: on_client_gone}
