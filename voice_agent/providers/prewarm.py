"""Work of the local models before a user waits for it: a prompt is read into the cache, so that a first turn costs its
last words only, and a sentence that will be said is synthesized.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx

from voice_agent.errors import Code, Temporary
from voice_agent.outbound import tls
from voice_agent.providers.endpoints import Endpoint
from voice_agent.providers.local_server import AHEAD, PRIORITY_HEADER

LONGEST: Final = 120.0


async def prewarm(
    endpoint: Endpoint,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]] = (),
    *,
    priority: str = AHEAD,
) -> None:
    """`messages` and `tools` are those of the first turn, without its user message. No-op for a remote model.

    Yields to conversations: raises `Temporary` when one starts meanwhile.
    """
    if not endpoint.local:
        return
    body: dict[str, Any] = {"model": endpoint.model, "messages": list(messages), "max_tokens": 1}
    if endpoint.conversation:
        body["prompt_cache_key"] = endpoint.conversation
    if tools:
        body["tools"] = list(tools)
    await _post(endpoint, "/chat/completions", body, priority)


async def prewarm_speech(endpoint: Endpoint, text: str) -> None:
    """Let the local TTS keep this sentence. No-op for a remote one. Raises `Temporary` as `prewarm` does."""
    if endpoint.local:
        order = {"model": endpoint.model, "input": text, "voice": endpoint.voice, "speed": endpoint.speed}
        await _post(endpoint, "/audio/speech", order, AHEAD)


async def _post(endpoint: Endpoint, path: str, body: Mapping[str, Any], priority: str) -> None:
    headers = {"Authorization": f"Bearer {endpoint.api_key}", PRIORITY_HEADER: priority}
    try:
        async with httpx.AsyncClient(timeout=httpx.Timeout(LONGEST, connect=5.0), verify=tls()) as client:
            answer = await client.post(f"{endpoint.base_url}{path}", json=body, headers=headers)
    except httpx.TransportError as error:
        raise Temporary(Code.MODEL_UNREACHABLE, f"The local model gave no answer ({type(error).__name__}).") from error
    if answer.status_code >= 400:
        code = Code.MODEL_BUSY if answer.status_code == 503 else Code.MODEL_UNREACHABLE
        raise Temporary(code, f"The local model did no work ahead ({answer.status_code}).")
