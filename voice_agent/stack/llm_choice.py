"""Choice of the language model at a start: one that was never used on this machine is tried out first.

The default stands beside it in the same trial; a model that serves worse is not used, and that is said.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from voice_agent.errors import Code, Permanent, VoiceAgentError
from voice_agent.models.catalog import find as model_of
from voice_agent.providers import endpoints
from voice_agent.providers.endpoints import NO_KEY, Endpoint
from voice_agent.providers.local_server import DEFAULTS, LOCAL_MODELS
from voice_agent.settings import Settings
from voice_agent.stack import llm_servers, readiness
from voice_agent.stack.llm_trial import Figures, shortfall, try_out
from voice_agent.stack.ports import free_port
from voice_agent.stack.subprocess_utils import Report, fetched, write_private

AUTO: Final = "auto"
DEFAULT: Final = DEFAULTS["llm"].name
_LOADED_WITHIN: Final = 300.0
_ENDS_WITHIN: Final = 20.0
_NOBODY: Final = "http://127.0.0.1:9/v1"
"""For roles that are not tried out: a URL keeps the model server from loading their models."""
_HANDED_ON: Final = ("VOICE_CACHE", "VOICE_MODELS_THREADS", "VOICE_MODEL_HUB")


@dataclass(frozen=True)
class Candidate:
    settings: Settings
    """With it in use."""
    name: str
    key: str | None
    """Identity of its bytes or, on another server, of its address and name; None: it needs no trial."""
    endpoint: Endpoint | None = None
    """None: our model server has to be started with it."""


async def settled(
    settings: Settings, report: Report, usual: Sequence[llm_servers.Usual] = llm_servers.USUAL
) -> Settings:
    """The settings with the language model that is used from now on."""
    candidate = await _candidate(settings, report, usual)
    if candidate.key is None or not settings.llm_trial:
        return candidate.settings
    try:
        found = await _figures(candidate, settings, report)
        default = await _figures(Candidate(settings, DEFAULT, model_of(DEFAULT).version), settings, report)
    except VoiceAgentError as error:
        report(f"language model: {candidate.name} is not used: {error.message} {error.remedy}")
        return _without(settings)
    report(f"language model: {candidate.name}: {found}")
    report(f"language model: the default ({DEFAULT}): {default}")
    if reason := shortfall(found, default):
        report(f"language model: {candidate.name} is not used: {reason}. VOICE_LLM_TRIAL=false uses it all the same.")
        return _without(settings)
    return candidate.settings


def _without(settings: Settings) -> Settings:
    """With the model that is used where none is named."""
    unnamed = settings.model_copy(update={"llm": "", "llm_model": ""})
    # By its name: an empty setting would not replace the one in the environment of our services.
    return unnamed.model_copy(update={"llm_model": endpoints.llm(unnamed).model})


async def _candidate(settings: Settings, report: Report, usual: Sequence[llm_servers.Usual]) -> Candidate:
    servers = await llm_servers.find(usual) if _may_be_elsewhere(settings) else []
    if settings.llm == AUTO and not settings.llm_base_url:
        if found := _elsewhere(settings, servers, report):
            return found
        if settings.llm_model not in LOCAL_MODELS:
            settings = _without(settings)
    endpoint = endpoints.llm(settings)
    if endpoint.local and endpoint.model != DEFAULT:
        return Candidate(settings, endpoint.model, model_of(endpoint.model).version)
    if settings.llm != AUTO:
        for server in servers:
            report(f"language model: {server}; VOICE_LLM=auto would try it out and use it")
    return Candidate(settings, endpoint.model, None)


def _may_be_elsewhere(settings: Settings) -> bool:
    """Whether a server of this machine is used, or offered instead of ours."""
    return not settings.llm_base_url and (settings.llm == AUTO or endpoints.llm(settings).local)


def _elsewhere(settings: Settings, servers: Sequence[llm_servers.LLMServer], report: Report) -> Candidate | None:
    wanted = settings.llm_model
    server = next((server for server in servers if not wanted or wanted in server.models), None)
    if server is None:
        what = f"has {wanted}" if wanted else "was found"
        usual = ", ".join(f"{usual.program} ({usual.port})" for usual in llm_servers.USUAL)
        report(f"language model: no server on this machine {what} (looked for {usual})")
        return None
    name = wanted or server.models[0]
    report(f"language model: {server}")
    chosen = settings.model_copy(update={"llm_base_url": server.base_url, "llm_model": name})
    return Candidate(chosen, name, f"{server.base_url} {name}", endpoints.llm(chosen))


async def _figures(candidate: Candidate, settings: Settings, report: Report) -> Figures:
    """From an earlier trial on this machine, else from a trial now."""
    assert candidate.key is not None
    with suppress(OSError):
        if known := Figures.from_json(_kept(settings, candidate.key).read_text()):
            return known
    report(f"language model: trying out {candidate.name}, about two minutes, once")
    if candidate.endpoint is not None:
        figures = await try_out(candidate.endpoint)
    else:
        files = list(model_of(candidate.name).files.values())
        await fetched(files, settings.cache, report, settings.effective_model_hub)
        async with _served(candidate.name, settings) as endpoint:
            figures = await try_out(endpoint)
    keep(settings, candidate.key, figures)
    return figures


def keep(settings: Settings, key: str, figures: Figures) -> None:
    path = _kept(settings, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, figures.as_json())


def _kept(settings: Settings, key: str) -> Path:
    name = hashlib.sha256(f"{key} {settings.models_threads}".encode()).hexdigest()[:32]
    return settings.cache / "trials" / f"{name}.json"


@asynccontextmanager
async def _served(model: str, settings: Settings) -> AsyncIterator[Endpoint]:
    """Our model server with this language model alone, on a free port, with a home of its own."""
    with tempfile.TemporaryDirectory(prefix="voice-agent-trial-") as home:
        port = free_port()
        told = settings.as_environment()
        nobody = dict.fromkeys(("VOICE_STT_BASE_URL", "VOICE_TTS_BASE_URL", "VOICE_EMBEDDING_BASE_URL"), _NOBODY)
        own = {"VOICE_HOME": home, "VOICE_MODELS_PORT": str(port), "VOICE_LLM_MODEL": model, "TMPDIR": home, **nobody}
        known = {name: value for name, value in os.environ.items() if not name.startswith(("VOICE_", "OPENAI_"))}
        log = Path(home) / "models.log"
        with log.open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "voice_agent.cli", "models", "serve"),
                env=known | {name: told[name] for name in _HANDED_ON if name in told} | own,
                cwd=home,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        try:
            await _until_ready(process, port, log)
            yield Endpoint("llm", f"http://127.0.0.1:{port}/v1", NO_KEY, model, local=True)
        finally:
            await _end(process)


async def _until_ready(process: asyncio.subprocess.Process, port: int, log: Path) -> None:
    probe = partial(readiness.http, f"http://127.0.0.1:{port}/health")
    ready = asyncio.ensure_future(readiness.wait(probe, _LOADED_WITHIN))
    gone = asyncio.ensure_future(process.wait())
    try:
        await asyncio.wait((ready, gone), return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            said = (log.read_text(errors="replace").strip().splitlines() or ["nothing"])[-1][:300]
            raise Permanent(Code.MODEL_UNREACHABLE, f"It cannot be served: {said}", "Choose another model.")
        ready.result()
    finally:
        for waiting in (ready, gone):
            waiting.cancel()
        await asyncio.gather(ready, gone, return_exceptions=True)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _ENDS_WITHIN)
    except TimeoutError:
        process.kill()
        await process.wait()
