"""HTTP server: ends at once when told to, without polling."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from starlette.applications import Starlette

from tests.support.stack import free_ports
from voice_agent import inbound

WITHIN = 30.0


class Counting(inbound.Server):
    ticks = 0

    async def on_tick(self, counter: int) -> bool:
        self.ticks += 1
        return await super().on_tick(counter)


@contextmanager
def running() -> Iterator[Counting]:
    [port] = free_ports(1)
    server = Counting(uvicorn.Config(Starlette(), host="127.0.0.1", port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, name="server")
    thread.start()
    try:
        deadline = time.monotonic() + WITHIN
        while not server.ticks and time.monotonic() < deadline:
            time.sleep(0.01)
        yield server
    finally:
        server.end()
        thread.join(WITHIN)
        assert not thread.is_alive(), "it did not notice that it was told to end"


def test_it_is_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbound, "_LOOK_EVERY", 600.0)
    with running() as server:
        time.sleep(0.5)  # uvicorn looks five times meanwhile
        assert server.ticks == 1


def test_the_date_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbound, "_LOOK_EVERY", 0.01)
    with running() as server:
        deadline = time.monotonic() + WITHIN
        while server.ticks < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.ticks >= 5
