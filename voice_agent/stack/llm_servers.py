"""Language model servers of other programs on this machine: found at their usual ports, used only when asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import httpx


@dataclass(frozen=True)
class Usual:
    """Where a program usually listens."""

    program: str
    port: int


@dataclass(frozen=True)
class LLMServer:
    program: str
    base_url: str
    models: tuple[str, ...]

    def __str__(self) -> str:
        more = f" and {len(self.models) - 1} more" if len(self.models) > 1 else ""
        return f"{self.program} runs on this machine with {self.models[0]}{more}"


USUAL: Final = (Usual("Ollama", 11434), Usual("llama-server", 8080), Usual("LM Studio", 1234))
_NO_CHAT: Final = ("embed", "rerank", "whisper", "tts")
"""Parts of the names of models that cannot chat."""
_WITHIN: Final = httpx.Timeout(2.0, connect=0.5)


async def find(usual: Sequence[Usual] = USUAL) -> list[LLMServer]:
    found = await asyncio.gather(*map(_at, usual))
    return [server for server in found if server]


async def _at(usual: Usual) -> LLMServer | None:
    base_url = f"http://127.0.0.1:{usual.port}/v1"
    try:
        async with httpx.AsyncClient(timeout=_WITHIN, trust_env=False, verify=False) as client:  # noqa: S501 - no TLS
            listed = (await client.get(f"{base_url}/models")).json()["data"]
        names = [model["id"] for model in listed]
    except (httpx.HTTPError, ValueError, LookupError, TypeError):
        return None
    models = tuple(name for name in names if isinstance(name, str) and not any(part in name for part in _NO_CHAT))
    return LLMServer(usual.program, base_url, models) if models else None
