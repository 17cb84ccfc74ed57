"""Bad input to the model server: an OpenAI-style error or a correct answer, and the server stays up."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import openai
import pytest
import soxr

from tests.support.models import LLM, RunningModels
from tests.support.speech import recognise, say, wav, word_error_rate, words


@pytest.fixture(scope="module")
def hello(models: RunningModels) -> bytes:
    return say("Hello, I would like to order six apples.", models.base_url, rate=24_000, before=0.1, after=0.1)


@pytest.fixture(autouse=True)
def still_up(models: RunningModels) -> Iterator[None]:
    yield
    assert models.health().status_code == 200
    assert all(role["restarts"] == 0 for role in models.health().json()["roles"].values())


def samples_of(file: bytes) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.frombuffer(file[44:], "<i2").astype(np.float32) / np.float32(32768)


def upload(models: RunningModels, content: bytes, **form: str) -> httpx.Response:
    return httpx.post(
        f"{models.base_url}/audio/transcriptions",
        files={"file": ("a.wav", content)},
        data={"model": "whisper-1", **form},
        timeout=120,
    )


def refusal(answer: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"code", "message", "remedy", "type", "param"}
    assert error["message"]
    return error


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x00" * 5000, b"RIFF\x00\x00\x00\x00WAVE", b"\x89PNG" + b"x" * 999]
)
def test_what_is_not_audio_is_refused(models: RunningModels, content: bytes) -> None:
    answer = upload(models, content)
    assert answer.status_code == 400
    assert refusal(answer)["type"] == "invalid_request_error"


def test_a_truncated_file_gives_what_is_there(models: RunningModels, hello: bytes) -> None:
    assert words(upload(models, hello[: len(hello) // 2]).json()["text"])[0] == "hello"


def test_eight_bits_and_stereo_are_understood(models: RunningModels, hello: bytes) -> None:
    samples = samples_of(hello)
    eight = ((soxr.resample(samples, 24_000, 8_000) * 0.9 + 1) * 127).astype(np.uint8).tobytes()
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + len(eight),
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        8000,
        8000,
        1,
        8,
        b"data",
        len(eight),
    )
    wide = (soxr.resample(samples, 24_000, 48_000) * 32767).astype("<i2")
    stereo = np.stack([wide, wide], axis=1).tobytes()
    stereo_header = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 36 + len(stereo), b"WAVE", b"fmt ", 16, 1, 2, 48000, 192_000, 4, 16, b"data", len(stereo)),
    )
    said = "hello i would like to order six apples"
    for content in (header + eight, stereo_header + stereo):
        assert word_error_rate(said, upload(models, content).json()["text"]) <= 0.25


def test_ten_minutes_with_a_word_at_the_end(models: RunningModels, hello: bytes) -> None:
    rate = 16_000
    speech = soxr.resample(samples_of(hello), 24_000, rate)
    long = np.concatenate([np.zeros(600 * rate - len(speech), np.float32), speech])
    assert "apples" in words(upload(models, wav(long, rate)).json()["text"])


def test_silence_and_nothing_give_no_words(models: RunningModels) -> None:
    assert recognise(np.zeros(16_000, np.float32), models.base_url, rate=16_000) == ""
    assert recognise(np.zeros(10, np.float32), models.base_url, rate=16_000) == ""


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"model": "whisper-9"}, "model"),
        ({"language": "fi"}, "language"),
        ({"response_format": "srt"}, "response_format"),
    ],
)
def test_unknown_wishes_of_a_transcription(
    models: RunningModels, hello: bytes, form: dict[str, str], param: str
) -> None:
    answer = upload(models, hello, **form)
    assert answer.status_code in (400, 404)
    assert refusal(answer)["param"] == param


def test_an_upload_beyond_the_limit(models: RunningModels) -> None:
    answer = upload(models, b"\x00" * 27_000_000)
    assert answer.status_code == 413
    assert "MB" in refusal(answer)["message"]


def speak(models: RunningModels, **wish: Any) -> httpx.Response:
    body = {"model": "tts-1", "voice": "alloy", "input": "Yes.", "response_format": "pcm", **wish}
    return httpx.post(f"{models.base_url}/audio/speech", json=body, timeout=120)


@pytest.mark.parametrize(
    "text",
    ["a", "!", "🙂🙂", "<speak>Hello <break time='1s'/> there.</speak>", "& < > \x00 \ufffe", "12.5 % of $3,000"],
    ids=["letter", "mark", "emoji", "ssml", "control", "numbers"],
)
def test_odd_texts_are_spoken(models: RunningModels, text: str) -> None:
    answer = speak(models, input=text)
    assert answer.status_code == 200
    assert 0.1 < len(answer.content) / 48_000 < 8


@pytest.mark.parametrize("text", ["Grüß Gott, wie geht es?", "Bonjour, ça va ?", "¿Cómo estás?", "你好", "سلام"])
def test_five_languages_make_sound(models: RunningModels, text: str) -> None:
    """Foreign letters are spelled, which is long: two or four of them tell as much as a sentence."""
    assert len(speak(models, input=text).content) > 10_000


def test_markup_is_not_read_aloud(models: RunningModels) -> None:
    sound = wav(samples_of(b"\x00" * 44 + speak(models, input="<b>Good</b> **morning** `everyone`.").content), 24_000)
    assert words(recognise(sound, models.base_url)) == ["good", "morning", "everyone"]


@pytest.mark.parametrize(
    ("wish", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": 7}, "input"),
        ({"input": "x" * 20_001}, "input"),
        ({"voice": "bob"}, "voice"),
        ({"model": "tts-9"}, "model"),
        ({"model": ["tts-1"]}, "model"),
        ({"speed": 9}, "speed"),
        ({"speed": "fast"}, "speed"),
        ({"response_format": "midi"}, "response_format"),
    ],
)
def test_unknown_wishes_of_speech(models: RunningModels, wish: dict[str, Any], param: str) -> None:
    answer = speak(models, **wish)
    assert answer.status_code in (400, 404)
    assert refusal(answer)["param"] == param


@pytest.mark.parametrize("form", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
def test_every_format_holds_the_same_words(models: RunningModels, form: str) -> None:
    content = speak(models, input="Good morning everyone.", response_format=form).content
    file = wav(samples_of(b"\x00" * 44 + content), 24_000) if form == "pcm" else content
    assert words(recognise(file, models.base_url)) == ["good", "morning", "everyone"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff\xfe", b'{"model": "x"}', b'{"model": "x", "messages": []}'])
@pytest.mark.parametrize("path", ["chat/completions", "audio/speech"])
def test_bodies_that_are_no_request(models: RunningModels, path: str, body: bytes) -> None:
    answer = httpx.post(f"{models.base_url}/{path}", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 404)
    refusal(answer)


def test_chat_refusals(client: openai.OpenAI, models: RunningModels) -> None:
    with pytest.raises(openai.NotFoundError, match="gpt-9"):
        client.chat.completions.create(model="gpt-9", messages=[{"role": "user", "content": "Hi"}])
    with pytest.raises(openai.BadRequestError, match="context"):
        client.chat.completions.create(model=LLM, messages=[{"role": "user", "content": "word " * 12_000}])
    assert httpx.get(f"{models.base_url}/nothing").status_code == 404
    assert httpx.get(f"{models.base_url}/audio/speech").status_code == 405


def test_twenty_at_once(client: openai.OpenAI, models: RunningModels, hello: bytes) -> None:
    def one(number: int) -> bool:
        match number % 3:
            case 0:
                return "apples" in words(upload(models, hello).json()["text"])
            case 1:
                return len(speak(models, input="Yes, of course.").content) > 20_000
            case _:
                answer = client.chat.completions.create(
                    model=LLM, messages=[{"role": "user", "content": f"Count to {number}."}], max_tokens=8
                )
                return bool(answer.choices[0].message.content)

    with ThreadPoolExecutor(20) as pool:
        assert all(pool.map(one, range(20)))
