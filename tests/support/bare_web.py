"""Web application with its real services and no backends: no LiveKit, no Letta, no models, no monitor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from tests.support.newest import newest_file
from voice_agent.memory.letta import LettaClient
from voice_agent.rooms.livekit import LiveKit
from voice_agent.settings import Settings
from voice_agent.storage import Database
from voice_agent.web.app import create_app
from voice_agent.web.services import wire


def web_settings(home: Path, **more: Any) -> Settings:
    """No server listens on port 9 (discard)."""
    nobody = {"livekit_port": 9, "letta_port": 9, "models_port": 9}
    return Settings(**{"home": home, "livekit_api_key": "key", "livekit_api_secret": "s" * 32, **nobody, **more})


@asynccontextmanager
async def bare_app(settings: Settings, clock: Callable[[], float] = time.time) -> AsyncIterator[FastAPI]:
    app = create_app(settings, lambda _error: None, clock)
    file = settings.home / "voice.db"
    if not await asyncio.to_thread(file.exists):
        await asyncio.to_thread(file.write_bytes, await asyncio.to_thread(newest_file))
    database, livekit, letta = Database(settings.effective_database_url), LiveKit(settings), LettaClient(settings)
    try:
        app.state.services = wire(settings, database, livekit, letta, clock)
        yield app
    finally:
        await letta.close()
        await livekit.close()
        await database.close()


def client_of(app: FastAPI, settings: Settings, address: str = "127.0.0.1") -> httpx.AsyncClient:
    """A client with the IP `address`. An exception in the app becomes a response, as in a server."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url=f"http://127.0.0.1:{settings.port}")


@asynccontextmanager
async def bare_web(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with bare_app(settings) as app, client_of(app, settings) as client:
        yield client
