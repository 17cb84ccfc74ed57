"""HTTP server of a child process with models: on a Unix socket, ready once its models are loaded."""

from __future__ import annotations

import socket as sockets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from voice_agent.inbound import Server
from voice_agent.models.child_io import announce_ready, exit_with_parent, orders
from voice_agent.models.responses import HANDLERS

Handlers: TypeAlias = Mapping[str, Callable[[Request], Awaitable[Response]]]
"""By path; all are posted to."""


class Models(Protocol):
    def load(self) -> None: ...

    def handlers(self) -> Handlers: ...


def serve(made_by: Callable[[dict[str, Any]], Models]) -> None:
    """Run as the orders on stdin say, until the parent is gone."""
    order = orders()
    exit_with_parent()
    path = Path(order["socket"])
    path.unlink(missing_ok=True)
    with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as socket:
        socket.bind(str(path))
        app = _application(made_by(order), socket)
        Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[socket])


def _application(models: Models, socket: sockets.socket) -> Starlette:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        models.load()
        socket.listen(128)  # from here on a connection is accepted or queued
        announce_ready()
        yield

    routes = [Route(path, handler, methods=["POST"]) for path, handler in models.handlers().items()]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers=dict(HANDLERS))
