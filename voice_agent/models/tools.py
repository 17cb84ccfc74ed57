"""Tool calls for a small model that was not trained for them: a JSON schema in, `tool_calls` out. Pure.

The model must answer with one object, `{"reply": "…"}` or `{"tool": "…", "arguments": {…}}`; the grammar of that
schema allows nothing else. The reply is streamed while it is generated.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from voice_agent.errors import Code, Permanent
from voice_agent.prompt_text import quoted_lines

REPLY_OPENED: Final = re.compile(r'\s*\{\s*"reply"\s*:\s*"')
ESCAPES: Final[Mapping[str, str]] = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_RESULT_CHARS: Final = 8_000
"""Most characters of a tool's result; the result is data, whatever it says."""
HOW_TO_ANSWER: Final = (
    'Answer with one JSON object: {"reply": "what you say"} or, only when a tool below is needed, '
    '{"tool": "its name", "arguments": {…}}. Tools:\n'
)


@dataclass(frozen=True)
class Tool:
    name: str
    description: str
    parameters: Mapping[str, Any]


def wanted(body: Mapping[str, Any]) -> tuple[Tool, ...]:
    """The tools the model may use for this request; empty for an ordinary chat."""
    choice = body.get("tool_choice") or "auto"
    if choice == "none":
        return ()
    tools = tuple(_tool(entry) for entry in body.get("tools") or ())
    if isinstance(choice, dict):
        name = choice.get("name") or (choice.get("function") or {}).get("name")
        tools = tuple(tool for tool in tools if tool.name == name)
        if not tools:
            raise Permanent(Code.BAD_REQUEST, f"tool_choice names no given tool: {name!r}.", param="tool_choice")
    return tools


def _tool(entry: Any) -> Tool:
    function = entry.get("function") if isinstance(entry, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise Permanent(Code.BAD_REQUEST, "Every tool must be a function with a name.", param="tools")
    parameters = function.get("parameters") or {"type": "object", "properties": {}}
    return Tool(function["name"], str(function.get("description") or ""), parameters)


def as_schema(body: Mapping[str, Any], tools: Sequence[Tool]) -> dict[str, Any]:
    """The same request without tools; its answer is bound to a schema."""
    choice = body.get("tool_choice") or "auto"
    kept = {key: value for key, value in body.items() if key not in ("tools", "tool_choice", "parallel_tool_calls")}
    alternatives = [_object({"tool": {"const": tool.name}, "arguments": tool.parameters}) for tool in tools]
    if choice == "auto":
        alternatives.insert(0, _object({"reply": {"type": "string"}}))
    schema = {"oneOf": alternatives}
    kept["messages"] = _with_tools(_flattened(body["messages"]), tools)
    kept["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    return kept


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _with_tools(messages: list[dict[str, Any]], tools: Sequence[Tool]) -> list[dict[str, Any]]:
    # At the end of the system prompt: the prefix before it stays in the KV cache from one turn to the next.
    lines = [
        json.dumps({"tool": tool.name, "about": tool.description, "arguments": tool.parameters}, ensure_ascii=False)
        for tool in tools
    ]
    text = HOW_TO_ANSWER + "\n".join(lines)
    if messages and messages[0]["role"] == "system":
        return [{"role": "system", "content": f"{messages[0]['content']}\n\n{text}"}, *messages[1:]]
    return [{"role": "system", "content": text}, *messages]


def _flattened(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The messages, with earlier calls and results in the JSON form in which the model must answer."""
    names: dict[str, str] = {}
    flat: list[dict[str, Any]] = []
    for message in messages:
        role, content = message.get("role"), text_of(message.get("content"))
        for call in message.get("tool_calls") or ():
            names[call["id"]] = call["function"]["name"]
            arguments = call["function"]["arguments"] or "{}"
            flat.append(
                {"role": "assistant", "content": f'{{"tool": "{names[call["id"]]}", "arguments": {arguments}}}'}
            )
        if role == "tool":
            name = names.get(str(message.get("tool_call_id")), "the tool")
            flat.append({"role": "user", "content": f"Result of {name}: {quoted_lines(content)[:_RESULT_CHARS]}"})
        elif role == "assistant" and content:
            flat.append({"role": "assistant", "content": json.dumps({"reply": content}, ensure_ascii=False)})
        elif role in ("system", "developer"):
            flat.append({"role": "system", "content": content})
        elif role == "user":
            flat.append({"role": "user", "content": content})
    return flat


def text_of(content: Any) -> str:
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


class AnswerReader:
    """Incremental reader of the model's object: a reply is passed on at once, a tool call when it is complete."""

    def __init__(self) -> None:
        self._text = ""
        self._at: int | None = None
        """Index of the next character of an open reply; None if no reply was opened."""
        self._closed = False

    def feed(self, piece: str) -> str:
        """The new text of the reply."""
        self._text += piece
        if self._at is None:
            opened = REPLY_OPENED.match(self._text)
            if not opened:
                return ""
            self._at = opened.end()
        return "".join(self._characters())

    def _characters(self) -> Iterator[str]:
        while not self._closed and self._at is not None and self._at < len(self._text):
            character = self._text[self._at]
            if character == '"':
                self._closed = True
                return
            if character != "\\":
                self._at += 1
                yield character
                continue
            escape = self._text[self._at + 1 : self._at + 2]
            if escape != "u":
                if not escape:
                    return
                self._at += 2
                yield ESCAPES.get(escape, escape)
                continue
            unit = _code_units(self._text[self._at : self._at + 12])
            if unit is None:
                return
            character, length = unit
            self._at += length
            yield character

    def call(self) -> dict[str, Any] | None:
        """The tool call, if the object is one; None for a truncated answer."""
        if self._at is not None:
            return None
        try:
            answer = json.loads(self._text)
            function = {"name": answer["tool"], "arguments": json.dumps(answer["arguments"], ensure_ascii=False)}
        except (ValueError, KeyError, TypeError):
            return None
        return {"id": f"call_{uuid.uuid4().hex[:24]}", "type": "function", "function": function}


def _code_units(text: str) -> tuple[str, int] | None:
    r"""The character of \uXXXX, or of a surrogate pair, and its length; None while it is incomplete."""
    if len(text) < 6:
        return None
    first = int(text[2:6], 16)
    if not 0xD800 <= first < 0xDC00:
        return chr(first), 6
    if len(text) < 12:
        return None
    second = int(text[8:12], 16) if text[6:8] == "\\u" else 0
    if not 0xDC00 <= second < 0xE000:
        return "\ufffd", 6
    return chr(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)), 12
