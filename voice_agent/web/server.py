"""Runs the application until SIGTERM or SIGINT."""

from __future__ import annotations

from typing import Final

import uvicorn

from voice_agent.settings import Settings
from voice_agent.web.app import create_app

_GRACE: Final = 5
"""Seconds that open requests get at the end; event streams never end by themselves."""


def serve(settings: Settings) -> None:
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
        timeout_keep_alive=65,
    )
