"""Server process: runs the application until SIGTERM, SIGINT or the end of an essential task."""

from __future__ import annotations

import logging
from typing import Final

import uvicorn

from voice_agent.addresses import require_listenable
from voice_agent.inbound import Server
from voice_agent.settings import Settings
from voice_agent.web.app import create_app

_GRACE: Final = 3
"""Seconds that open requests get at shutdown; event streams never end by themselves."""


def serve(settings: Settings) -> None:
    """Raises the error of which it ended, unless a signal ended it."""
    server: Server
    ended: list[Exception] = []
    require_listenable(settings.host, settings.port, "VOICE_PORT")

    def stop(error: Exception) -> None:
        ended.append(error)
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
    logging.getLogger("uvicorn.error").addFilter(_no_traceback)
    try:
        server.run()
    except SystemExit:
        if not ended:
            raise
    if ended:
        raise ended[0]


def _no_traceback(record: logging.LogRecord) -> bool:
    """The command line reports the failure in one line instead."""
    return not record.getMessage().startswith("Traceback")
