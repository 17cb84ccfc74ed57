"""ASGI application of the control plane."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from voice_agent.settings import Settings
from voice_agent.web import (
    agents,
    conversations,
    errors,
    events,
    health,
    memory,
    pages,
    people,
    rooms_api,
    sessions,
    sign_in,
    tokens,
    transcripts,
    voices,
    webhooks,
)
from voice_agent.web.assertion import HEADER
from voice_agent.web.auth import require_safe_binding
from voice_agent.web.middleware import RequestGuard, allowed_origins
from voice_agent.web.services import running


def create_app(
    settings: Settings, stop: Callable[[Exception], None], clock: Callable[[], float] = time.time
) -> FastAPI:
    """`stop` ends the process: called with the error of an essential task that ended, or of a failed start."""
    require_safe_binding(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            async with running(settings, stop, clock) as app.state.services:
                yield
        except Exception as error:
            stop(error)
            raise

    app = FastAPI(
        title="voice-agent",
        version=version("voice-agent"),
        summary="Agents, sessions and tokens of a voice assistant that remembers.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    errors.install(app)
    for module in (
        *(agents, voices, sessions, tokens, transcripts, rooms_api, events, health, webhooks),
        *(people, memory, conversations, sign_in, pages),
    ):
        app.include_router(module.router)
    if origins := allowed_origins(settings):
        app.add_middleware(
            CORSMiddleware,
            allow_origins=sorted(origins),
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            # X-Sandbox-Id: LiveKit's starters send it with every request for a token.
            allow_headers=[
                *("Authorization", "Content-Type", "If-Match", "Idempotency-Key", "Last-Event-ID", "X-Sandbox-Id"),
                HEADER,
            ],
            expose_headers=["ETag", "Location"],
        )
    app.add_middleware(RequestGuard, settings=settings)
    return app
