"""Scripted LLM of the tests: it must follow OpenAI's protocol, since it replaces a model everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.support.models import running_models
from tests.support.scripted_llm import I_DO_NOT_KNOW, MODEL, Failure, Rule, ScriptedLLM

MEMORY = "You are Nova. <human>The user is called Ada. Her sister's birthday is on the fourth of May.</human> Be brief."
TOOL: Any = {
    "type": "function",
    "function": {"name": "remember", "parameters": {"type": "object", "properties": {"fact": {"type": "string"}}}},
}


@pytest.fixture
def llm() -> Iterator[ScriptedLLM]:
    with ScriptedLLM() as running:
        yield running


@pytest.fixture
def client(llm: ScriptedLLM) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=llm.base_url, api_key="k", max_retries=0) as opened:
        yield opened


def ask(client: openai.OpenAI, question: str, system: str = MEMORY, stream: bool = False, **more: Any) -> str:
    messages: Any = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    answer: Any = client.chat.completions.create(model=MODEL, messages=messages, stream=stream, **more)
    if stream:
        return "".join(piece.choices[0].delta.content or "" for piece in answer if piece.choices)
    return str(answer.choices[0].message.content)


@pytest.mark.parametrize("stream", [True, False])
def test_answers_with_the_prompts_own_sentence(client: openai.OpenAI, stream: bool) -> None:
    assert "fourth of May" in ask(client, "When is my sister's birthday?", stream=stream)
    assert ask(client, "When is my sister's birthday?", system="You are Nova.", stream=stream) == I_DO_NOT_KNOW


def test_a_rule_quotes_the_prompt_or_does_not_apply(llm: ScriptedLLM, client: openai.OpenAI) -> None:
    llm.script(Rule(user="name", system=r"called (\w+)", reply=r"You are \1."))
    assert ask(client, "What is my name?") == "You are Ada."
    assert ask(client, "What is my name?", system="Nobody here.") == I_DO_NOT_KNOW


def test_every_request_is_kept(llm: ScriptedLLM, client: openai.OpenAI) -> None:
    ask(client, "Hello there?")
    (prompt,) = llm.prompts()
    assert (prompt.user, prompt.system) == ("Hello there?", MEMORY)
    llm.forget()
    assert llm.requests() == []


@pytest.mark.parametrize(("kind", "error"), [("500", openai.InternalServerError), ("429", openai.RateLimitError)])
def test_failures_end_after_their_times(
    llm: ScriptedLLM, client: openai.OpenAI, kind: Any, error: type[Exception]
) -> None:
    llm.script(failures=(Failure(kind, times=1),))
    with pytest.raises(error):
        ask(client, "Hello?")
    assert ask(client, "Hello?") == I_DO_NOT_KNOW


def test_half_a_stream_breaks_in_the_middle(llm: ScriptedLLM, client: openai.OpenAI) -> None:
    llm.script(Rule(reply="one two three four"), failures=(Failure("half"),))
    with pytest.raises(openai.APIConnectionError):
        ask(client, "Count.", stream=True)


@pytest.mark.parametrize("stream", [True, False])
def test_calls_a_tool_then_speaks(llm: ScriptedLLM, client: openai.OpenAI, stream: bool) -> None:
    llm.script(Rule(tool="remember", arguments={"fact": "likes tea"}, reply="Noted."))
    messages: Any = [{"role": "user", "content": "I like tea."}]
    answer: Any = client.chat.completions.create(model=MODEL, messages=messages, tools=[TOOL], stream=stream)
    if stream:
        deltas = [c for p in answer if p.choices for c in p.choices[0].delta.tool_calls or ()]
        name, arguments = deltas[0].function.name, "".join(d.function.arguments for d in deltas)
    else:
        (call,) = answer.choices[0].message.tool_calls
        name, arguments = call.function.name, call.function.arguments
    assert (name, arguments) == ("remember", '{"fact": "likes tea"}')
    messages.append({"role": "tool", "tool_call_id": "x", "content": "ok"})
    after = client.chat.completions.create(model=MODEL, messages=messages, tools=[TOOL])
    assert after.choices[0].message.content == "Noted."


def test_the_model_server_forwards_to_it(llm: ScriptedLLM, tmp_path: Path) -> None:
    """Chat upstream, speech not needed: nothing local is started."""
    settings = {
        "VOICE_LLM_BASE_URL": llm.base_url,
        "VOICE_LLM_API_KEY": "secret",
        "VOICE_STT_BASE_URL": llm.base_url,
        "VOICE_TTS_BASE_URL": llm.base_url,
    }
    with (
        running_models(tmp_path, settings) as server,
        openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client,
    ):
        assert "fourth of May" in ask(client, "When is my sister's birthday?", stream=True)
        assert llm.requests()[0]["key"] == "Bearer secret"
        llm.script(failures=(Failure("429"), Failure("half")))
        with pytest.raises(openai.RateLimitError):
            ask(client, "Hello?")
        with pytest.raises(openai.APIError, match="gave no answer"):
            ask(client, "Hello?", stream=True)
        with pytest.raises(openai.APIError, match="served elsewhere"):
            client.audio.speech.create(model="tts-1", voice="ash", input="x", response_format="pcm")
