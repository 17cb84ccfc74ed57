"""Turn-end endpoint of the front: 16-bit mono speech at 16 kHz in, the probability that the turn is over out."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from voice_agent.errors import Code, Permanent
from voice_agent.models.child import Child
from voice_agent.models.responses import unless_disconnected

LONGEST: Final = 30 * 16_000 * 2
"""Bytes. The model hears the last 8 s."""


async def judge(request: Request, child: Child) -> Response:
    # Not scheduled: it runs in one thread beside speech recognition, during a pause that is waited for in any case.
    pcm = await request.body()
    if not pcm or len(pcm) % 2 or len(pcm) > LONGEST:
        raise Permanent(Code.BAD_REQUEST, "The body is not up to 30 s of 16-bit mono speech at 16 kHz.")
    return await unless_disconnected(request, _asked(child, pcm), "judge")


async def _asked(child: Child, pcm: bytes) -> Response:
    async with child.ask("/judge", Code.TURN_FAILED, content=pcm) as answer:
        await answer.aread()
        return JSONResponse(answer.json())
