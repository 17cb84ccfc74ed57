"""LLM stream of llama.cpp: its chunks, and the streamed or collected answer that the client requested."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from voice_agent.errors import Code, Temporary
from voice_agent.models.tool_answers import ToolAnswer

Chunk = dict[str, Any]

A_BEGINNING: Final = 10
"""Tokens: more than most first clauses and many whole answers of a voice assistant have."""
_DATA: Final = "data: "
_DONE: Final = "[DONE]"


def reporting(body: Chunk) -> Chunk:
    """The request as it is sent to llama.cpp. llama.cpp notices a gone client only when it writes, or when no slot
    has written for a second; so it is asked to stream and to send a progress event after every batch of a prompt."""
    options = body.get("stream_options") if body.get("stream") else {"include_usage": True}
    return {**body, "stream": True, "return_progress": True, "stream_options": options}


async def chunks(
    lines: AsyncIterator[str], tools: ToolAnswer | None, begun: Callable[[], None]
) -> AsyncIterator[Chunk]:
    """Chunks without the progress events; calls `begun` at the A_BEGINNING-th."""
    words_left = A_BEGINNING
    async for line in lines:
        if not line.startswith(_DATA) or line == _DATA + _DONE:
            continue
        chunk = json.loads(line.removeprefix(_DATA))
        if "error" in chunk:
            raise Temporary(Code.LLM_FAILED, f"The local model gave up: {chunk['error'].get('message')}", "Try again.")
        if "prompt_progress" not in chunk:
            words_left -= 1
            if not words_left:
                begun()
            for one in tools.translated(chunk) if tools else (chunk,):
                yield one


async def streamed(chunks_of_answer: AsyncIterator[Chunk]) -> AsyncIterator[bytes]:
    async for chunk in chunks_of_answer:
        yield f"{_DATA}{json.dumps(chunk)}\n\n".encode()
    yield f"{_DATA}{_DONE}\n\n".encode()


async def collected(chunks_of_answer: AsyncIterator[Chunk]) -> bytes:
    answer: Chunk = {}
    choices: dict[int, Chunk] = {}
    async for chunk in chunks_of_answer:
        answer |= chunk
        for piece in chunk.get("choices", ()):
            message = {"role": "assistant", "content": ""}
            choice = choices.setdefault(piece["index"], {"index": piece["index"], "message": message})
            _add(choice, piece)
    return json.dumps({**answer, "object": "chat.completion", "choices": list(choices.values())}).encode()


def _add(choice: Chunk, piece: Chunk) -> None:
    message, delta = choice["message"], piece["delta"]
    choice["finish_reason"] = piece["finish_reason"]
    if words := delta.get("content"):
        message["content"] += words
    if calls := delta.get("tool_calls"):
        message["content"] = None
        message["tool_calls"] = [{key: value for key, value in call.items() if key != "index"} for call in calls]
    if likely := piece.get("logprobs"):
        choice.setdefault("logprobs", {"content": []})["content"] += likely["content"]
