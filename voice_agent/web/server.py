"""Runs the application until SIGTERM or SIGINT, or until a part of it that must never end has ended."""

from __future__ import annotations

from typing import Final

import uvicorn

from voice_agent.inbound import Server
from voice_agent.settings import Settings
from voice_agent.web.app import create_app

_GRACE: Final = 3
"""Seconds that open requests get at the end; event streams never end by themselves."""


def serve(settings: Settings) -> None:
    server: Server

    def stop() -> None:
        server.end()

    app = create_app(settings, stop)
    server = Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            log_level="warning",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=_GRACE,
            timeout_keep_alive=65,
        )
    )
    server.run()
