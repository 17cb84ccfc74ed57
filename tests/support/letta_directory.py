"""Letta's HTTP interface for listing agents, with pages like the real one's. It can be unavailable."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class LettaDirectoryServer:
    def __init__(self, port: int) -> None:
        self.agents: list[dict[str, Any]] = []
        self.away = False
        self.vanishing: set[str] = set()
        """Agents that are deleted after they were read once."""
        directory = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = directory.answer(self.path)
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_POST(self) -> None:
                """Writes are not supported: 404."""
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                data = b'{"detail": "not found"}'
                self.send_response(503 if directory.away else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_PATCH = do_DELETE = do_PUT = do_POST  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                """No log."""

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True

    def add(self, agent_id: str, name: str) -> str:
        self.agents.append(
            {
                "id": agent_id,
                "name": name,
                "description": f"About {name}",
                "model": "vllm/test",
                "agent_type": "letta_v1_agent",
                "system": "",
                "blocks": [{"label": "human", "value": f"{name} knows\n  a harbour."}],
                "tools": [],
                "sources": [],
                "tags": [],
                "memory": {"blocks": []},
                "llm_config": {"model": "test", "model_endpoint_type": "openai", "context_window": 8192},
            }
        )
        return agent_id

    def answer(self, target: str) -> tuple[int, Any]:
        address = urlsplit(target)
        path, query = address.path.rstrip("/"), parse_qs(address.query)
        if self.away:
            return 503, {"detail": "away"}
        if path == "/v1/health":
            return 200, {"status": "ok"}
        if path == "/v1/agents":
            return 200, self._page(query)
        agent_id = path.removeprefix("/v1/agents/")
        found = [_shown(agent, query) for agent in self.agents if agent["id"] == agent_id]
        if agent_id in self.vanishing:
            self.agents = [agent for agent in self.agents if agent["id"] != agent_id]
        return (200, found[0]) if found else (404, {"detail": "Agent not found"})

    def _page(self, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        limit = min(int(query.get("limit", ["50"])[0]), 50)
        after = query.get("after", [""])[0]
        tags = set(query.get("tags", []) + query.get("tags[]", []))
        found = [agent for agent in self.agents if tags <= set(agent["tags"])]
        ids = [agent["id"] for agent in found]
        start = ids.index(after) + 1 if after in ids else 0
        return [_shown(agent, query) for agent in found[start : start + limit]]


def _shown(agent: dict[str, Any], query: dict[str, list[str]]) -> dict[str, Any]:
    asked = "agent.blocks" in query.get("include", []) + query.get("include[]", [])
    return agent if asked else agent | {"blocks": []}


@contextmanager
def running_letta_directory(port: int) -> Iterator[LettaDirectoryServer]:
    directory = LettaDirectoryServer(port)
    thread = threading.Thread(target=directory.server.serve_forever, args=(0.05,), name="letta-directory")
    thread.start()
    try:
        yield directory
    finally:
        directory.server.shutdown()
        thread.join()
        directory.server.server_close()
