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
from voice_agent.languages import ENGLISH
from voice_agent.models import chat, chat_backends, embeddings, speech, turns
from voice_agent.models.catalog import MOONSHINE, WHISPER, Model
from voice_agent.models.child import Child, State
from voice_agent.models.kept_prompt import KeptPrompt
from voice_agent.models.limits import LimitBody
from voice_agent.models.middleware import TRANSCRIPTIONS, OwnCallers
from voice_agent.models.processes import LLM_CONTEXT, ModelProcess, Plan, plans, recognisers
from voice_agent.models.responses import HANDLERS, error_response
from voice_agent.models.scheduler import Scheduler
from voice_agent.models.speech_store import SpeechStore
from voice_agent.providers import endpoints
from voice_agent.providers.local_server import BACKGROUND_SUFFIX, RECORDER, TURN_END
from voice_agent.settings import Settings

UPSTREAM_CONTEXT: Final = 32_768
"""Context size that a memory server sees for a remote model; it summarises longer conversations."""

STARTS_WITHIN: Final = 5.0
"""A request waits this long for a recogniser that starts: less than its client waits for a byte, so that a person hears
why."""

OPTIONAL: Final = frozenset({"embedding", "turn"})
"""Roles that a conversation does not need: memory is searched by words, and silence ends a turn."""


class ModelServer:
    def __init__(self, settings: Settings, run_directory: Path) -> None:

        def process(plan: Plan) -> ModelProcess:
            return ModelProcess(plan, settings.cache, run_directory, settings.effective_model_hub)

        self.processes = tuple(process(plan) for plan in plans(settings))
        self._on_demand = {plan.name: process(plan) for plan in recognisers(settings)}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._language = settings.stt_language or settings.language
        self._english = WHISPER.name if settings.stt_model == WHISPER.name else MOONSHINE.name
        self._by_role = {
            role: (process.child, model) for process in self.processes for role, model in process.models.items()
        }
        self._speech_store = SpeechStore()
        self._llm = endpoints.llm(settings)
        self._scheduler = Scheduler(self._by_role["llm"][0].standing_still) if self._llm.local else Scheduler()
        self._upstream = None if self._llm.local else chat_backends.RemoteBackend(self._llm)
        self._backend = self._upstream or self._local_backend(settings, run_directory)

    def _local_backend(self, settings: Settings, run_directory: Path) -> chat_backends.ChatBackend:
        child, model = self._by_role["llm"]
        kept = KeptPrompt(settings.cache / "prompts", model.files["model"].sha256)
        return chat_backends.LocalBackend(child, self._llm.model, kept, run_directory)

    async def transcriptions(self, request: Request) -> Response:
        return await speech.transcriptions(request, self, self._scheduler, self._language)

    async def recogniser(self, language: str) -> tuple[Child, Model]:
        """The recogniser of a language, started if need be."""
        installed = self._local("stt")
        wanted = self._english if language == ENGLISH.code else WHISPER.name
        if wanted == installed[1].name:
            return installed
        process = self._on_demand[wanted]
        self._start(process)
        await process.child.available(STARTS_WITHIN)
        return process.child, process.models["stt"]

    def _start(self, process: ModelProcess) -> None:
        """Of one that is running already, nothing."""
        if process.plan.name not in self._tasks:
            task = asyncio.create_task(process.run(), name=f"models-{process.plan.name}")
            self._tasks[process.plan.name] = task

    async def speech(self, request: Request) -> Response:
        asked = await _json(request)
        return await speech.speech(request, *self._local("tts"), asked, self._scheduler, self._speech_store)

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
            *(self._on_demand if "stt" in self._by_role else ()),
        ]
        entries = [
            # Letta reads max_model_len of every entry.
            {"id": name, "object": "model", "created": 0, "owned_by": "voice-agent", "max_model_len": context}
            for name in dict.fromkeys(names)
        ]
        return JSONResponse({"object": "list", "data": entries})

    async def health(self, _: Request) -> Response:
        roles = {role: _health(child, model.name) for role, (child, model) in self._by_role.items()}
        if self._upstream:
            roles["llm"] = {"state": State.READY, "model": self._llm.model, "detail": "upstream", "restarts": 0}
        states = {process["state"] for role, process in roles.items() if role not in OPTIONAL}
        ready = states <= {State.READY}
        status = "ready" if ready else State.FAILED if State.FAILED in states else "starting"
        # Last: nobody waits for them with the rest.
        started = {name: process.child for name, process in self._on_demand.items() if name in self._tasks}
        roles |= {f"stt {name}": _health(child, name) for name, child in started.items()}
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
        for process in self.processes:
            self._start(process)
        try:
            yield
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            if self._upstream:
                await self._upstream.client.aclose()


def _health(child: Child, model: str) -> dict[str, Any]:
    return {"state": child.state, "model": model, "detail": child.detail, "restarts": child.restarts}


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
