from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.errors import Permanent
from voice_agent.models.tools import AnswerReader, as_schema, wanted


def tool(name: str) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    return {"type": "function", "function": {"name": name, "description": f"about {name}", "parameters": parameters}}


def body(**more: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": "You are Nova."}, {"role": "user", "content": "Weather in Rome?"}]
    return {"model": "m", "messages": messages, "tools": [tool("weather"), tool("alarm")], **more}


def alternatives(request: dict[str, Any]) -> list[set[str]]:
    schema = as_schema(request, wanted(request))["response_format"]["json_schema"]["schema"]
    return [set(alternative["properties"]) for alternative in schema["oneOf"]]


def test_choice_decides_the_alternatives() -> None:
    assert alternatives(body()) == [{"reply"}, {"tool", "arguments"}, {"tool", "arguments"}]
    assert alternatives(body(tool_choice="required")) == [{"tool", "arguments"}] * 2
    named = body(tool_choice={"type": "function", "function": {"name": "alarm"}})
    assert alternatives(named) == [{"tool", "arguments"}]
    assert wanted(body(tool_choice="none")) == ()


@pytest.mark.parametrize(
    "more",
    [{"tool_choice": {"function": {"name": "nothing"}}}, {"tools": [{"type": "function"}]}, {"tools": ["weather"]}],
)
def test_tools_that_are_none(more: dict[str, Any]) -> None:
    with pytest.raises(Permanent):
        wanted(body(**more))


def test_the_prompt_keeps_its_beginning() -> None:
    request = body()
    rewritten = as_schema(request, wanted(request))
    assert rewritten["messages"][0]["content"].startswith("You are Nova.")
    assert "tools" not in rewritten
    assert "about alarm" in rewritten["messages"][0]["content"]


def test_earlier_calls_become_plain_text() -> None:
    request = body()
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
    request["messages"] += [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    ]
    assistant, result = as_schema(request, wanted(request))["messages"][-2:]
    assert json.loads(assistant["content"]) == {"tool": "weather", "arguments": {"city": "Rome"}}
    assert result == {"role": "user", "content": "Result of weather: sunny"}


@given(st.text(), st.integers(1, 7), st.booleans())
def test_words_come_out_as_they_went_in(text: str, size: int, ascii_only: bool) -> None:
    text = text.encode("utf-8", "ignore").decode()
    written = json.dumps({"reply": text}, ensure_ascii=ascii_only)
    reader = AnswerReader()
    read = "".join(reader.feed(written[at : at + size]) for at in range(0, len(written), size))
    assert read == text
    assert reader.call() is None


def test_words_come_out_before_the_end() -> None:
    reader = AnswerReader()
    assert reader.feed('{"reply": "It is su') == "It is su"
    assert reader.feed("nny") == "nny"


@given(st.dictionaries(st.text(), st.integers() | st.text()), st.integers(1, 9))
def test_a_call_comes_out_whole(arguments: dict[str, Any], size: int) -> None:
    written = json.dumps({"tool": "weather", "arguments": arguments})
    reader = AnswerReader()
    assert "".join(reader.feed(written[at : at + size]) for at in range(0, len(written), size)) == ""
    call = reader.call()
    assert call is not None
    assert call["function"]["name"] == "weather"
    assert json.loads(call["function"]["arguments"]) == arguments


def test_half_a_call_is_none() -> None:
    reader = AnswerReader()
    reader.feed('{"tool": "weather", "argu')
    assert reader.call() is None
