"""Processes of the model server: which ones the settings require, and their packages, downloads and supervision."""

from __future__ import annotations

import asyncio
import importlib.util
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from voice_agent.downloads import Progress, fetch_all
from voice_agent.errors import Code, Permanent, Temporary, VoiceAgentError
from voice_agent.models.catalog import MOONSHINE, WHISPER, Model, find
from voice_agent.models.chat_backends import SLOTS
from voice_agent.models.child import Child, State
from voice_agent.providers import endpoints
from voice_agent.providers.local_server import DEFAULTS, ModelRole
from voice_agent.settings import Settings

log = structlog.get_logger()

LLM_CONTEXT: Final = 8192
RETRY_FETCH: Final = 15.0
REQUIRED: Final[Mapping[ModelRole, str]] = {
    "stt": "onnxruntime",
    "tts": "kokoro_onnx",
    "llm": "xllamacpp",
    "embedding": "onnxruntime",
    "turn": "onnxruntime",
}
REQUIRED_BY_WHISPER: Final = "ctranslate2"


@dataclass(frozen=True)
class Plan:
    """One child process and its models."""

    name: str
    module: str
    models: tuple[Model, ...]
    order: Mapping[str, Any]


def plans(settings: Settings) -> tuple[Plan, ...]:
    threads = settings.models_threads
    speech = [find(endpoint.model) for endpoint in (endpoints.stt(settings), endpoints.tts(settings)) if endpoint.local]
    found = []
    if speech:
        order = {"threads": threads, "names": {model.role: model.name for model in speech}}
        found.append(Plan("speech", "voice_agent.models.speech_child", tuple(speech), order))
    llm = endpoints.llm(settings)
    if llm.local:
        shape = {"slots": SLOTS, "context": LLM_CONTEXT}
        order = {"threads": threads, "name": llm.model, **shape}
        found.append(Plan("llm", "voice_agent.models.llm_child", (find(llm.model),), order))
    embedding = endpoints.embedding(settings)
    if embedding.local:
        model = find(embedding.model)
        assert model.embedding is not None
        # A separate process: a memory query waits neither for STT and TTS nor for the LLM.
        order = {"shape": asdict(model.embedding)}
        found.append(Plan("embedding", "voice_agent.models.embedding_child", (model,), order))
    if settings.turn_end == "model":
        # A separate process: a pause is judged while its words are recognised, and without it silence decides.
        found.append(Plan("turn", "voice_agent.models.turn_child", (find(DEFAULTS["turn"].name),), {}))
    return tuple(found)


def recognisers(settings: Settings) -> tuple[Plan, ...]:
    """The local recognisers that are not in `plans`: each is started when its language is first asked for."""
    installed = endpoints.stt(settings)
    if not installed.local:
        return ()
    return tuple(
        Plan(
            model.name,
            "voice_agent.models.speech_child",
            (model,),
            {"threads": settings.models_threads, "names": {"stt": model.name}},
        )
        for model in (MOONSHINE, WHISPER)
        if model.name != installed.model
    )


class ModelProcess:
    """Runs one plan: fetch the models, start the child, keep it alive."""

    def __init__(self, plan: Plan, cache: Path, run_directory: Path, hub: str = "") -> None:
        self.plan = plan
        self.child = Child(plan.name, plan.module, run_directory / f"{plan.name}.sock")
        self._cache = cache
        self._hub = hub

    @property
    def models(self) -> dict[str, Model]:
        return {model.role: model for model in self.plan.models}

    async def run(self) -> None:
        """Runs until cancelled, or until a permanent error."""
        try:
            self._require_packages()
            files = await self._fetch()
            await self.child.supervise({**self.plan.order, **files})
        except Permanent as error:
            self.child.state, self.child.detail = State.FAILED, str(error)
            log.error("models.process_failed", process=self.plan.name, **error.as_dict())

    def _require_packages(self) -> None:
        needed = (REQUIRED_BY_WHISPER if model is WHISPER else REQUIRED[model.role] for model in self.plan.models)
        missing = [package for package in needed if not importlib.util.find_spec(package)]
        if missing:
            raise Permanent(
                Code.MODEL_UNREACHABLE,
                f"The local {self.plan.name} model needs {', '.join(missing)}, which is not installed.",
                "Run `uv sync --extra local`, or set OPENAI_API_KEY or OPENAI_BASE_URL.",
            )

    async def _fetch(self) -> dict[str, Any]:
        while True:
            try:
                files = {model.role: await self._fetch_model(model) for model in self.plan.models}
            except Temporary as error:
                self.child.detail = str(error)
                log.warning("models.fetch_failed", process=self.plan.name, **error.as_dict())
                await asyncio.sleep(RETRY_FETCH)
            else:
                break
        if "llm" in files:
            return {"model": files["llm"]["model"]}
        return {str(role): paths for role, paths in files.items()}

    async def _fetch_model(self, model: Model) -> dict[str, str]:
        stop = threading.Event()

        def report(progress: Progress) -> None:
            self.child.detail = str(progress)
            if stop.is_set():
                raise Temporary(Code.DOWNLOAD_FAILED, "The download was interrupted.")

        fetching = asyncio.ensure_future(
            asyncio.to_thread(fetch_all, list(model.files.values()), self._cache, report, self._hub)
        )
        try:
            paths = await asyncio.shield(fetching)
        except asyncio.CancelledError:
            stop.set()  # the next progress report ends the download; its parts are kept
            await asyncio.wait([fetching])
            if fetching.exception() is not None and not isinstance(fetching.exception(), VoiceAgentError):
                fetching.result()
            raise
        return {name: str(path) for name, path in zip(model.files, paths, strict=True)}
