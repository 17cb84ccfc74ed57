"""Process of a real `voice-agent models serve`, for tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import openai
from openai.types.chat import ChatCompletionMessageParam

from tests.support.eventually import PATIENCE
from voice_agent.stack.ports import free_port

LLM = "smollm2-135m-instruct"
"""Its answers make no sense, but it loads in a second."""
LOADED_WITHIN = 300.0
"""Includes the first download on a machine with an empty cache."""


@dataclass(frozen=True)
class RunningModels:
    url: str
    pid: int
    log: Path
    """What it and its children print."""

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def health(self) -> httpx.Response:
        return httpx.get(f"{self.url}/health", timeout=PATIENCE)


def read_anew(client: openai.OpenAI, known: str, conversation: str, words: str) -> int:
    """Prompt tokens of a question that were not in the KV cache."""
    messages: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": known},
        {"role": "user", "content": words},
    ]
    usage = client.chat.completions.create(
        model=LLM, messages=messages, max_tokens=1, prompt_cache_key=conversation
    ).usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    return usage.prompt_tokens - (usage.prompt_tokens_details.cached_tokens or 0)


@contextmanager
def running_models(home: Path, settings: Mapping[str, str], wait: bool = True) -> Iterator[RunningModels]:
    """`settings` are environment names, for example VOICE_LLM_MODEL."""
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VOICE_", "OPENAI_"))}
    ours = {"VOICE_HOME": str(home), "VOICE_MODELS_PORT": str(port), "VOICE_MODELS_THREADS": "1"}
    if "VOICE_CACHE" in os.environ:
        ours["VOICE_CACHE"] = os.environ["VOICE_CACHE"]
    home.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="va-"))  # not under `home`: the length of a socket path is limited
    with (home / "models.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "voice_agent.cli", "models", "serve"],
            env={**kept, **ours, **settings, "TMPDIR": str(scratch)},
            cwd=home,
            stdout=log,
            stderr=log,
        )
        try:
            running = RunningModels(f"http://127.0.0.1:{port}", process.pid, home / "models.log")
            if wait:
                _await_ready(running, process)
            yield running
        finally:
            process.terminate()
            process.wait(timeout=20)
            if process.returncode == -signal.SIGKILL:
                shutil.rmtree(scratch)
            else:
                scratch.rmdir()  # fails if the server did not clean up


def _await_ready(running: RunningModels, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + LOADED_WITHIN
    said = "nothing"
    while time.monotonic() < deadline and process.poll() is None:
        try:
            answer = running.health()
        except httpx.TransportError:
            answer = None
        if answer is not None:
            said = answer.text
            roles = answer.json()["roles"].values()
            if answer.status_code == 200 and all(role["state"] == "ready" for role in roles):
                return
        time.sleep(0.1)
    raise AssertionError(f"the model server did not get ready; health: {said}; log: {running.log.read_text()[-2000:]}")
