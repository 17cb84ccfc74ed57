"""Runs the application until SIGTERM or SIGINT, or until a part of it that must never end has ended."""

from __future__ import annotations

from typing import Final

import uvicorn

from voice_agent.settings import Settings
from voice_agent.web.app import create_app

_GRACE: Final = 3
"""Seconds that open requests get at the end; event streams never end by themselves."""


def serve(settings: Settings) -> None:
    server: uvicorn.Server

    def stop() -> None:
        server.should_exit = True

    app = create_app(settings, stop)
    server = uvicorn.Server(
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
