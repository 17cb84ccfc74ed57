"""Provider checks, against servers that really refuse and against ours."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.models import LLM, RunningModels
from tests.support.scripted_llm import Failure, ScriptedLLM
from voice_agent.errors import Code
from voice_agent.providers.checks import check_all
from voice_agent.settings import Settings
from voice_agent.stack.ports import free_port


@pytest.fixture
def llm() -> Iterator[ScriptedLLM]:
    with ScriptedLLM() as running:
        yield running


def settings(tmp_path: Path, models_port: int, **more: Any) -> Settings:
    return Settings.model_validate({"VOICE_HOME": tmp_path, "VOICE_MODELS_PORT": models_port, **more})


async def outcome(chosen: Settings) -> dict[str, Code | None]:
    return {check.role: check.error.code if check.error else None for check in await check_all(chosen)}


async def test_our_own_models_work(models: RunningModels, tmp_path: Path) -> None:
    port = int(models.url.rsplit(":", 1)[1])
    chosen = settings(tmp_path, port, VOICE_LLM_MODEL=LLM)
    assert await outcome(chosen) == {"tts": None, "stt": None, "llm": None, "embedding": None, "vad": None}
    wrong = settings(tmp_path, port, VOICE_LLM_MODEL=LLM, VOICE_TTS_VOICE="bob")
    assert await outcome(wrong) == {"tts": Code.TTS_FAILED, "stt": None, "llm": None, "embedding": None, "vad": None}


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("401", Code.UNAUTHORIZED),
        ("429", Code.RATE_LIMITED),
        ("500", Code.LLM_FAILED),
        ("garbage", Code.LLM_FAILED),
        ("drop", Code.LLM_FAILED),
        ("half", Code.MODEL_UNREACHABLE),
    ],
)
async def test_an_llm_that_refuses(llm: ScriptedLLM, tmp_path: Path, kind: Any, code: Code | None) -> None:
    llm.script(failures=(Failure(kind),))
    found = await outcome(settings(tmp_path, free_port(), VOICE_LLM_BASE_URL=llm.base_url))
    assert found["llm"] is code


class Busy(BaseHTTPRequestHandler):
    """Our model server while a conversation goes on: it refuses what nobody waits for."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps({"error": {"code": Code.MODEL_BUSY, "message": "A conversation came first."}}).encode()
        self.send_response(503)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


async def test_models_that_serve_a_conversation_work(tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), Busy) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            found = await outcome(settings(tmp_path, server.server_port))
        finally:
            server.shutdown()
            serving.join()
    assert set(found.values()) == {None}


async def test_nothing_listens(tmp_path: Path) -> None:
    found = await outcome(settings(tmp_path, free_port()))
    assert found == {**dict.fromkeys(("tts", "stt", "llm", "embedding"), Code.MODEL_UNREACHABLE), "vad": None}


async def test_providers_that_are_not_installed_are_named(tmp_path: Path) -> None:
    chosen = settings(tmp_path, free_port(), VOICE_STT_PROVIDER="deepgram", VOICE_VAD_PROVIDER="acme")
    found = {check.role: str(check.error) for check in await check_all(chosen)}
    assert "livekit-plugins-deepgram" in found["stt"]
    assert "livekit-plugins-acme" in found["vad"]


async def test_a_server_that_never_answers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        checks = await check_all(settings(tmp_path, port), deadline=0.3)
    assert {check.error.code for check in checks if check.error} == {Code.MODEL_UNREACHABLE}


async def test_the_key_is_never_told(llm: ScriptedLLM, tmp_path: Path) -> None:
    llm.script(failures=(Failure("401"),))
    chosen = settings(tmp_path, free_port(), OPENAI_API_KEY="sk-secret", OPENAI_BASE_URL=llm.base_url)
    checks = await check_all(chosen)
    assert "sk-secret" not in "".join(f"{check} {check!r}" for check in checks)
    assert [check.role for check in checks if check.ok] == ["tts", "vad"], "the scripted server has a voice"
