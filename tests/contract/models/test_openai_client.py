"""OpenAI's official client, unchanged, against our server."""

from __future__ import annotations

import io
import wave
from typing import Literal

import openai
import pytest

from tests.support.models import LLM, RunningModels
from tests.support.speech import recognise, say, word_error_rate, words

SENTENCE = "The quick brown fox jumps over the lazy dog near the river bank."


def test_what_was_said_is_recognised(models: RunningModels) -> None:
    heard = recognise(say(SENTENCE, models.base_url), models.base_url)
    assert word_error_rate(SENTENCE, heard) < 0.2, heard


def test_wav_is_what_pcm_is_with_a_header(client: openai.OpenAI) -> None:
    def speech(form: Literal["wav", "pcm"]) -> bytes:
        answer = client.audio.speech.create(model="tts-1", voice="ash", input="Good morning.", response_format=form)
        return answer.read()

    whole, pcm = speech("wav"), speech("pcm")
    with wave.open(io.BytesIO(whole)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)
    assert whole[44:] == pcm
    assert 0.5 < len(pcm) / 48_000 < 3


def test_speech_arrives_clause_by_clause(client: openai.OpenAI) -> None:
    text = "Let me think about that, because it is not simple. " * 4
    with client.audio.speech.with_streaming_response.create(
        model="kokoro-82m", voice="af_heart", input=text, response_format="pcm"
    ) as answer:
        assert answer.headers["content-type"] == "audio/pcm"
        stream = answer.iter_bytes()
        first = next(stream)
        rest = b"".join(stream)
    assert len(first) < len(rest) / 4


@pytest.mark.parametrize("form", ["json", "verbose_json", "text"])
def test_transcription_formats(client: openai.OpenAI, models: RunningModels, form: str) -> None:
    sound = say("Six apples.", models.base_url)
    answer = client.audio.transcriptions.create(model="whisper-1", file=("a.wav", sound), response_format=form)  # type: ignore[call-overload]
    assert words(answer if isinstance(answer, str) else answer.text) == ["six", "apples"]


def test_chat_streamed_and_whole(client: openai.OpenAI) -> None:
    messages: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello."}]
    whole = client.chat.completions.create(model=LLM, messages=messages, max_tokens=8, temperature=0)
    pieces = client.chat.completions.create(model=LLM, messages=messages, max_tokens=8, temperature=0, stream=True)
    streamed = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    assert whole.choices[0].message.content == streamed != ""


def test_recorder_says_nothing(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="recorder", messages=[{"role": "user", "content": "Hello?"}])
    assert (whole.choices[0].message.content, whole.choices[0].finish_reason) == ("", "stop")
    pieces = list(
        client.chat.completions.create(model="recorder", messages=[{"role": "user", "content": "Hello?"}], stream=True)
    )
    assert not any(piece.choices and piece.choices[0].delta.content for piece in pieces)
    assert [p.choices[0].finish_reason for p in pieces if p.choices][-1] == "stop"


def test_models_are_listed_as_letta_reads_them(client: openai.OpenAI) -> None:
    listed = {model.id: model for model in client.models.list()}
    assert {"recorder", LLM, "moonshine-base", "kokoro-82m", "all-mpnet-base-v2"} <= set(listed)
    assert all(getattr(model, "max_model_len", 0) > 1000 for model in listed.values())


def test_health_names_every_role(models: RunningModels) -> None:
    answer = models.health()
    assert answer.status_code == 200
    states = {role: part["state"] for role, part in answer.json()["roles"].items()}
    assert {role: state for role, state in states.items() if not role.startswith("stt ")} == dict.fromkeys(
        ("stt", "tts", "llm", "embedding", "turn"), "ready"
    ), "a recogniser of other languages is there once it was asked for"
