from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from voice_agent.errors import Code, Temporary
from voice_agent.models.llm_stream import A_BEGINNING, chunks, collected, reporting, streamed
from voice_agent.models.tool_answers import ToolAnswer


def piece(finish: str | None = None, logprobs: list[str] | None = None, **delta: Any) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": 0, "delta": delta, "finish_reason": finish}
    if logprobs is not None:
        choice["logprobs"] = {"content": [{"token": token} for token in logprobs]}
    return {"id": "c1", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}


OPENED = piece(role="assistant", content=None)
USAGE: dict[str, Any] = {"id": "c1", "model": "m", "choices": [], "usage": {"total_tokens": 7}}


async def lines(*said: dict[str, Any]) -> AsyncIterator[str]:
    for one in said:
        yield f"data: {json.dumps(one)}"
        yield ""
    yield "data: [DONE]"


class Mark:
    count = 0

    def __call__(self) -> None:
        self.count += 1


def never() -> None:
    """Few words, no beginning."""
    raise AssertionError


def test_a_request_is_streamed_and_reports_whatever_was_asked_for() -> None:
    assert reporting({"stream": False}) == {
        "stream": True,
        "return_progress": True,
        "stream_options": {"include_usage": True},
    }
    assert reporting({"stream": True})["stream_options"] is None, "a client that did not ask for usage gets none"


async def test_reports_of_progress_stay_here() -> None:
    progress = {**OPENED, "prompt_progress": {"processed": 16}}
    source = lines(progress, progress, OPENED, piece(content="Hi"))
    sent = b"".join([part async for part in streamed(chunks(source, None, never))]).decode()
    events = [event.removeprefix("data: ") for event in sent.split("\n\n")[:-1]]
    assert [json.loads(event) for event in events[:-1]] == [OPENED, piece(content="Hi")]
    assert events[-1] == "[DONE]"


async def test_an_answer_is_put_together() -> None:
    said = lines(OPENED, piece(content="Hi", logprobs=["Hi"]), piece(content="!", logprobs=["!"]), piece("stop"), USAGE)
    answer = json.loads(await collected(chunks(said, None, never)))
    (choice,) = answer["choices"]
    assert choice["message"] == {"role": "assistant", "content": "Hi!"}
    assert choice["finish_reason"] == "stop"
    assert [one["token"] for one in choice["logprobs"]["content"]] == ["Hi", "!"]
    assert (answer["object"], answer["id"], answer["usage"]) == ("chat.completion", "c1", {"total_tokens": 7})


async def test_a_call_is_put_together() -> None:
    said = lines(
        OPENED, piece(content='{"tool": "timer", '), piece(content='"arguments": {"minutes": 3}}'), piece("stop")
    )
    (choice,) = json.loads(await collected(chunks(said, ToolAnswer(), never)))["choices"]
    (call,) = choice["message"]["tool_calls"]
    assert call["function"] == {"name": "timer", "arguments": '{"minutes": 3}'}
    assert "index" not in call
    assert (choice["message"]["content"], choice["finish_reason"]) == (None, "tool_calls")


async def test_an_answer_that_breaks_off_is_an_error() -> None:
    said = lines(OPENED, {"error": {"message": "out of memory"}})
    with pytest.raises(Temporary, match="out of memory") as caught:
        await collected(chunks(said, None, never))
    assert caught.value.code == Code.LLM_FAILED


async def test_an_answer_has_begun_when_its_first_words_are_written() -> None:
    progress = {**OPENED, "prompt_progress": {"processed": 16}}
    source = lines(*[progress] * 20, *[piece(content="word")] * (A_BEGINNING + 5))
    told = Mark()
    when = [told.count async for _ in chunks(source, None, told)]
    assert when == [0] * (A_BEGINNING - 1) + [1] * 6, "before the last of them is passed on, and once"
