"""A remote OpenAI-style server that tells what it has, and speaks in a tone."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from voice_agent.providers.local_server import PRIORITY_HEADER
from voice_agent.providers.sound import wav_header

TONE = (16_000 * np.sin(np.arange(12_000) / 10)).astype("<i2").tobytes()
"""Half a second."""


class OpenAIServer:
    def __init__(self) -> None:
        self.models: Any = None
        """What GET /models answers; None: 404."""
        self.voices: Any = None
        """What GET /audio/voices answers; None: 404."""
        self.speech_status = 200
        self.sound = b""
        """In place of the tone."""
        self.asked: list[tuple[str, Any]] = []
        """Path and body of each request."""
        self.priorities: list[str | None] = []
        """Of each speech that was asked for."""
        self.released = threading.Event()
        """Cleared: speech is not answered."""
        self.released.set()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append((self.path, None))
                found = {"/v1/models": server.models, "/v1/audio/voices": server.voices}.get(self.path)
                self._send(404 if found is None else 200, json.dumps(found).encode())

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.asked.append((self.path, body))
                server.priorities.append(self.headers[PRIORITY_HEADER])
                server.released.wait(30)
                self._send(server.speech_status, server.sound or wav_header(24_000) + TONE)

            def _send(self, status: int, data: bytes) -> None:
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except ConnectionError:
                    pass  # the client did not wait

            def log_message(self, format: str, *args: object) -> None:
                """No log."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base_url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    @property
    def spoken(self) -> list[Any]:
        return [body for path, body in self.asked if path == "/v1/audio/speech"]


@contextmanager
def running_openai_server() -> Iterator[OpenAIServer]:
    server = OpenAIServer()
    thread = threading.Thread(target=server.http.serve_forever, args=(0.05,), name="openai-server")
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.http.shutdown()
        thread.join()
        server.http.server_close()
