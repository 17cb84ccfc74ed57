"""Health routes: `/health` says that this process lives, `/ready` whether every service it needs answers."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final

import httpx
from fastapi import APIRouter, Response
from pydantic import BaseModel

from voice_agent.errors import Code, Temporary, VoiceAgentError
from voice_agent.outbound import tls
from voice_agent.web.auth import ServicesDep
from voice_agent.web.errors import ErrorBody
from voice_agent.web.services import Services

router = APIRouter(tags=["health"])

STARTED_AT: Final = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
_PROBE_DEADLINE: Final = 3.0


class Health(BaseModel):
    status: str
    version: str
    pid: int
    started_at: str


class Check(BaseModel):
    ok: bool
    ms: float
    detail: str = ""
    error: ErrorBody | None = None


class Readiness(BaseModel):
    ready: bool
    checks: dict[str, Check]
    """The services this process needs, and the provider of each role (`stt`, `llm`, `tts`, …), tried with a word."""


@router.get("/health")
async def health() -> Health:
    return Health(status="ok", version=version("voice-agent"), pid=os.getpid(), started_at=STARTED_AT)


@router.get("/ready", responses={503: {"model": Readiness}})
async def ready(services: ServicesDep, response: Response) -> Readiness:
    found = await services.readiness.get(lambda: _readiness(services))
    response.status_code = 200 if found.ready else 503
    response.headers["Cache-Control"] = "no-store"
    return found


async def _readiness(services: Services) -> Readiness:
    probes = _probes(services)
    checks = dict(zip(probes, await asyncio.gather(*(_checked(n, p) for n, p in probes.items())), strict=True))
    checks["letta"].detail = f"circuit breaker {services.letta.breaker.state}"
    checks |= _providers(services)
    return Readiness(ready=all(check.ok for check in checks.values()), checks=checks)


def _providers(services: Services) -> dict[str, Check]:
    """Results of the last check: a new one takes seconds, and money."""
    if not services.providers.checks:
        waiting = Temporary(Code.NOT_READY, "The providers are being checked.", "Ask again in a moment.")
        return {"providers": Check(ok=False, ms=0.0, error=ErrorBody(**waiting.as_dict()))}
    return {
        found.role: Check(
            ok=found.ok,
            ms=0.0,
            detail=str(found),
            error=ErrorBody(**found.error.as_dict()) if found.error else None,
        )
        for found in services.providers.checks
    }


def _probes(services: Services) -> dict[str, Callable[[], Awaitable[None]]]:
    settings = services.settings
    return {
        "database": services.database.ping,
        "livekit": services.livekit.ping,
        "letta": lambda: _answers(f"{settings.effective_letta_url}/v1/health/", Code.LETTA_UNAVAILABLE),
        "models": lambda: _answers(f"http://127.0.0.1:{settings.models_port}/health", Code.MODEL_UNREACHABLE),
    }


async def _answers(url: str, code: Code) -> None:
    try:
        async with httpx.AsyncClient(timeout=_PROBE_DEADLINE, trust_env=False, verify=tls()) as client:
            status = (await client.get(url)).status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Temporary(code, f"No answer ({type(error).__name__}).", "See 'voice-agent status'.") from error
    if status != 200:
        raise Temporary(code, f"It answers with HTTP {status}.", "See 'voice-agent status'.")


async def _checked(name: str, probe: Callable[[], Awaitable[None]]) -> Check:
    began = time.monotonic()
    failure: VoiceAgentError | None = None
    try:
        async with asyncio.timeout(_PROBE_DEADLINE):
            await probe()
    except VoiceAgentError as error:
        failure = error
    except TimeoutError:
        failure = Temporary(Code.NOT_READY, f"{name} did not answer in {_PROBE_DEADLINE:.0f} s.", "It is asked again.")
    return Check(
        ok=failure is None,
        ms=round((time.monotonic() - began) * 1000, 1),
        error=ErrorBody(**failure.as_dict()) if failure else None,
    )
