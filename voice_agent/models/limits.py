"""Limit on the size of a request body, counted as it arrives: Content-Length is not trusted."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voice_agent.errors import Code, Permanent
from voice_agent.models.responses import error_response

LARGEST_BODY: Final = 26_000_000
"""OpenAI's 25 MB for an upload, plus its form."""


class LimitBody:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > LARGEST_BODY:
                raise TooLargeError
            return message

        try:
            await self._app(scope, counted, send)
        except TooLargeError:
            megabytes = LARGEST_BODY // 1_000_000
            error = Permanent(Code.BAD_REQUEST, f"The request is larger than {megabytes} MB.", "Send it in pieces.")
            await error_response(error, 413)(scope, receive, send)


class TooLargeError(Exception):
    """Internal to this module: stops reading the body."""
