"""Process of the embedding model: plain HTTP on a Unix socket; single queries do not wait for long lists of texts."""

from __future__ import annotations

import asyncio
import base64
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from voice_agent.errors import Code, Temporary
from voice_agent.models.catalog import EmbeddingShape
from voice_agent.models.child_app import Handlers, serve
from voice_agent.models.embedding import EmbeddingModel, Vectors
from voice_agent.models.onnx import Cancellation
from voice_agent.models.responses import unless_disconnected

LIST_NICENESS: Final = 10
LONGEST_QUEUE: Final = 32
QUICK: Final = 4
"""Up to this many texts are a query of a waiting caller; a longer list is for building an index."""


class Lane:
    """Queue with one thread that embeds one request after the other."""

    def __init__(self, model: EmbeddingModel, name: str, niceness: int) -> None:
        self._model = model
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name, initializer=_be_nice, initargs=(niceness,))

    async def embed(self, texts: Sequence[str]) -> tuple[Vectors, int]:
        if self._waiting >= LONGEST_QUEUE:
            raise Temporary(
                Code.MODEL_BUSY, "Too many requests wait for the embedding model.", "Try again in a moment."
            )
        cancellation = Cancellation()
        self._waiting += 1
        running = asyncio.get_running_loop().run_in_executor(self._thread, self._embed, texts, cancellation)
        # Counted until the thread has finished it: the work of a caller that left may still run.
        running.add_done_callback(self._done)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            cancellation.cancel()
            raise

    def _embed(self, texts: Sequence[str], cancellation: Cancellation) -> tuple[Vectors, int]:
        rows, tokens = zip(*self._model.embed(texts, cancellation), strict=True)
        return np.stack(rows), sum(tokens)

    def _done(self, running: asyncio.Future[tuple[Vectors, int]]) -> None:
        self._waiting -= 1
        if not running.cancelled():
            running.exception()  # retrieved, so that asyncio does not log the exception of an abandoned request


class Embedding:
    def __init__(self, order: dict[str, Any]) -> None:
        self._order = order

    def load(self) -> None:
        model = EmbeddingModel(Path(self._order["embedding"]["archive"]), EmbeddingShape(**self._order["shape"]))
        # Two threads: a query does not wait for a list, and a thread cannot lower its niceness again.
        self._quick, self._many = Lane(model, "quick", 0), Lane(model, "many", LIST_NICENESS)

    def handlers(self) -> Handlers:
        return {"/embed": self.embed}

    async def embed(self, request: Request) -> Response:
        asked = await request.json()
        lane = self._quick if len(asked["texts"]) <= QUICK else self._many
        vectors, tokens = await unless_disconnected(request, lane.embed(asked["texts"]), "embed")
        packed = base64.b64encode(vectors.astype("<f4").tobytes()).decode()
        return JSONResponse({"vectors": packed, "tokens": tokens})


def _be_nice(niceness: int) -> None:
    if niceness:
        with suppress(OSError):  # only Linux has a niceness per thread
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)


if __name__ == "__main__":
    serve(Embedding)
