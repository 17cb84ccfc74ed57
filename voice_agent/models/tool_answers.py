"""The model's schema-bound answer as OpenAI's tool calls, whole or streamed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from voice_agent.models.tools import AnswerReader


def whole(answer: dict[str, Any]) -> dict[str, Any]:
    choice = answer["choices"][0]
    reader = AnswerReader()
    text = reader.feed(choice["message"].get("content") or "")
    call = reader.call()
    message: dict[str, Any] = {"role": "assistant", "content": text if call is None else None}
    if call:
        message["tool_calls"] = [call]
    finish = "tool_calls" if call else choice["finish_reason"]
    return {**answer, "choices": [{**choice, "message": message, "finish_reason": finish}]}


async def streamed(lines: AsyncIterator[str]) -> AsyncIterator[bytes]:
    """Server-sent events in, server-sent events out: the same envelopes with other deltas."""
    reader = AnswerReader()
    async for line in lines:
        if not line.startswith("data: "):
            continue
        data = line.removeprefix("data: ")
        chunk = json.loads(data) if data != "[DONE]" else {}
        choices = chunk.get("choices")
        if not choices:
            yield _event(data)
            continue
        choice = choices[0]
        for delta, finish in _deltas(reader, choice):
            yield _event(json.dumps({**chunk, "choices": [{**choice, "delta": delta, "finish_reason": finish}]}))


def _deltas(reader: AnswerReader, choice: dict[str, Any]) -> list[tuple[dict[str, Any], str | None]]:
    delta, finish = choice.get("delta") or {}, choice.get("finish_reason")
    found: list[tuple[dict[str, Any], str | None]] = []
    if delta.get("role"):
        found.append(({"role": delta["role"], "content": None}, None))
    if words := reader.feed(delta.get("content") or ""):
        found.append(({"content": words}, None))
    if finish:
        call = reader.call()
        if call:
            found.append(({"tool_calls": [{"index": 0, **call}]}, None))
        found.append(({}, "tool_calls" if call else finish))
    return found


def _event(data: str) -> bytes:
    return f"data: {data}\n\n".encode()
