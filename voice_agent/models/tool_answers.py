"""Translation of the model's schema-bound answer into OpenAI's tool calls: the same chunks with other deltas."""

from __future__ import annotations

from typing import Any

from voice_agent.models.tools import AnswerReader


class ToolAnswer:
    """Translator of one answer while it is generated."""

    def __init__(self) -> None:
        self._reader = AnswerReader()

    def translated(self, chunk: dict[str, Any]) -> list[dict[str, Any]]:
        if not chunk.get("choices"):
            return [chunk]
        choice = chunk["choices"][0]
        return [
            {**chunk, "choices": [{**choice, "delta": delta, "finish_reason": finish}]}
            for delta, finish in self._deltas(choice)
        ]

    def _deltas(self, choice: dict[str, Any]) -> list[tuple[dict[str, Any], str | None]]:
        delta, finish = choice.get("delta") or {}, choice.get("finish_reason")
        found: list[tuple[dict[str, Any], str | None]] = []
        if delta.get("role"):
            found.append(({"role": delta["role"], "content": None}, None))
        if words := self._reader.feed(delta.get("content") or ""):
            found.append(({"content": words}, None))
        if finish:
            call = self._reader.call()
            if call:
                found.append(({"tool_calls": [{"index": 0, **call}]}, None))
            found.append(({}, "tool_calls" if call else finish))
        return found
