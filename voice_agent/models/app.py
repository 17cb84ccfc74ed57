"""Front of the model server: OpenAI's HTTP interface over the local models or an upstream server."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from voice_agent.addresses import require_listenable
from voice_agent.errors import Code, Permanent
from voice_agent.inbound import Server
from voice_agent.models import chat, chat_backends, embeddings, speech, turns
from voice_agent.models.catalog import Model
from voice_agent.models.child import Child, State
from voice_agent.models.limits import LimitBody
from voice_agent.models.middleware import TRANSCRIPTIONS, OwnCallers
from voice_agent.models.processes import LLM_CONTEXT, ModelProcess, plans
from voice_agent.models.responses import HANDLERS, error_response
from voice_agent.models.scheduler import Scheduler
from voice_agent.providers import endpoints
from voice_agent.providers.local_server import BACKGROUND_SUFFIX, RECORDER, TURN_END
from voice_agent.settings import Settings

UPSTREAM_CONTEXT: Final = 32_768
"""Context size that a memory server sees for a remote model; it summarises longer conversations."""

OPTIONAL: Final = frozenset({"embedding", "turn"})
"""Roles that a conversation does not need: memory is searched by words, and silence ends a turn."""


class ModelServer:
    def __init__(self, settings: Settings, run_directory: Path) -> None:
        self.processes = tuple(
            ModelProcess(plan, settings.cache, run_directory, settings.effective_model_hub) for plan in plans(settings)
        )
        self._by_role = {
            role: (process.child, model) for process in self.processes for role, model in process.models.items()
        }
        self._scheduler = Scheduler()
        self._llm = endpoints.llm(settings)
        self._upstream = None if self._llm.local else chat_backends.RemoteBackend(self._llm)
        self._backend: chat_backends.ChatBackend = self._upstream or chat_backends.LocalBackend(
            self._by_role["llm"][0], self._llm.model
        )

    async def transcriptions(self, request: Request) -> Response:
        return await speech.transcriptions(request, *self._local("stt"), self._scheduler)

    async def speech(self, request: Request) -> Response:
        return await speech.speech(request, *self._local("tts"), await _json(request), self._scheduler)

    async def chat(self, request: Request) -> Response:
        return await chat.complete(request, self._backend, chat.parse(await _json(request)), self._scheduler)

    async def embeddings(self, request: Request) -> Response:
        return await embeddings.create(request, *self._local("embedding"), await _json(request))

    async def turn_end(self, request: Request) -> Response:
        return await turns.judge(request, self._local("turn")[0])

    async def models(self, _: Request) -> Response:
        context = LLM_CONTEXT if self._llm.local else UPSTREAM_CONTEXT
        names = [
            RECORDER,
            self._llm.model,
            self._llm.model + BACKGROUND_SUFFIX,
            *(model.name for _, model in self._by_role.values()),
        ]
        entries = [
            # Letta reads max_model_len of every entry.
            {"id": name, "object": "model", "created": 0, "owned_by": "voice-agent", "max_model_len": context}
            for name in dict.fromkeys(names)
        ]
        return JSONResponse({"object": "list", "data": entries})

    async def health(self, _: Request) -> Response:
        roles = {
            role: {"state": child.state, "model": model.name, "detail": child.detail, "restarts": child.restarts}
            for role, (child, model) in self._by_role.items()
        }
        if self._upstream:
            roles["llm"] = {"state": State.READY, "model": self._llm.model, "detail": "upstream", "restarts": 0}
        states = {process["state"] for role, process in roles.items() if role not in OPTIONAL}
        ready = states <= {State.READY}
        status = "ready" if ready else State.FAILED if State.FAILED in states else "starting"
        return JSONResponse({"status": status, "roles": roles}, 200 if ready else 503)

    def _local(self, role: str) -> tuple[Child, Model]:
        if role not in self._by_role:
            raise Permanent(
                Code.NOT_FOUND,
                f"The role {role} is served elsewhere.",
                f"Ask the server set by VOICE_{role.upper()}_BASE_URL.",
            )
        return self._by_role[role]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(process.run(), name=f"models-{process.plan.name}") for process in self.processes]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._upstream:
                await self._upstream.client.aclose()


async def _json(request: Request) -> Any:
    try:
        return await request.json()
    except (ValueError, UnicodeDecodeError) as error:
        raise Permanent(Code.BAD_REQUEST, "The request body is not JSON.") from error


async def _on_http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = Code.NOT_FOUND if error.status_code == 404 else Code.BAD_REQUEST
    return error_response(Permanent(code, str(error.detail)), error.status_code)


def application(settings: Settings, run_directory: Path) -> Starlette:
    server = ModelServer(settings, run_directory)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with server.running():
            yield

    return Starlette(
        routes=[
            Route(TRANSCRIPTIONS, server.transcriptions, methods=["POST"]),
            Route("/v1/audio/speech", server.speech, methods=["POST"]),
            Route("/v1/chat/completions", server.chat, methods=["POST"]),
            Route("/v1/embeddings", server.embeddings, methods=["POST"]),
            Route(f"/v1{TURN_END}", server.turn_end, methods=["POST"]),
            Route("/v1/models", server.models, methods=["GET"]),
            Route("/health", server.health, methods=["GET"]),
        ],
        lifespan=lifespan,
        middleware=[Middleware(OwnCallers), Middleware(LimitBody)],
        exception_handlers={**HANDLERS, HTTPException: _on_http_error},
    )


def serve(settings: Settings) -> None:
    """Runs until SIGINT or SIGTERM."""
    require_listenable("127.0.0.1", settings.models_port, "VOICE_MODELS_PORT")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn re-raises the signal: no clean-up would run
    # Not in VOICE_HOME, which may be anywhere: the path of a socket is limited to about 100 characters.
    with tempfile.TemporaryDirectory(prefix="voice-agent-models-") as directory:
        config = uvicorn.Config(
            application(settings, Path(directory)),
            host="127.0.0.1",
            port=settings.models_port,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=2,
            timeout_keep_alive=65,
        )
        Server(config).run()
