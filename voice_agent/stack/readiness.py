"""Readiness probes: an empty result means ready, any other describes what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import httpx

from voice_agent.errors import Code, Temporary
from voice_agent.outbound import tls

Probe = Callable[[], Awaitable[str]]


EVERY: Final = 0.25


async def wait(probe: Probe, within: float) -> None:
    """Polls: third-party programs offer no event for readiness."""
    problem = "no answer"
    try:
        async with asyncio.timeout(within):
            while problem := await probe():  # noqa: ASYNC110 - the other side offers no event
                await asyncio.sleep(EVERY)
    except TimeoutError:
        raise Temporary(
            Code.NOT_READY, f"Waited {within:.0f} s in vain: {problem}", "Look into the log of that part."
        ) from None


def as_http(url: str) -> str:
    """LiveKit's URL is a WebSocket URL; the same address answers HTTP."""
    return "http" + url.removeprefix("ws") if url.startswith("ws") else url


async def http(url: str, headers: Mapping[str, str] | None = None, timeout: float = 10.0) -> str:
    try:
        async with httpx.AsyncClient(timeout=timeout, trust_env=False, verify=tls()) as client:
            answer = await client.get(url, headers=dict(headers or {}))
    except httpx.TimeoutException:
        return f"{url} did not answer within {timeout:.0f} s"
    except httpx.HTTPError as error:
        return f"{url}: {error or type(error).__name__}"
    return "" if answer.is_success else f"{url} answered {answer.status_code}: {answer.text[:200]}"
