"""Process of the model that hears the end of a turn: plain HTTP on a Unix socket, in one thread."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from voice_agent.errors import Code, Temporary
from voice_agent.models.child_app import Handlers, serve
from voice_agent.models.onnx import Cancellation
from voice_agent.models.responses import unless_disconnected
from voice_agent.models.turn_end import SmartTurn

LONGEST_QUEUE: Final = 4
"""Its answer is worth nothing later than a pause lasts."""


class TurnEnd:
    def __init__(self, order: dict[str, Any]) -> None:
        self._order = order
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="turn-end")
        self._waiting = 0

    def load(self) -> None:
        self._model = SmartTurn(Path(self._order["turn"]["model"]))

    def handlers(self) -> Handlers:
        return {"/judge": self.judge}

    async def judge(self, request: Request) -> Response:
        samples = np.frombuffer(await request.body(), "<i2").astype(np.float32) / 32768.0
        cancellation = Cancellation()
        if self._waiting >= LONGEST_QUEUE:
            raise Temporary(Code.MODEL_BUSY, "Too many pauses wait to be judged.", "Silence decides meanwhile.")

        async def judged() -> float:
            work = asyncio.get_running_loop().run_in_executor(
                self._thread, self._model.probability, samples, cancellation
            )
            self._waiting += 1
            work.add_done_callback(self._done)
            try:
                return await asyncio.shield(work)
            except asyncio.CancelledError:
                cancellation.cancel()
                raise

        return JSONResponse({"probability": await unless_disconnected(request, judged(), "judge")})

    def _done(self, work: asyncio.Future[float]) -> None:
        self._waiting -= 1
        if not work.cancelled():
            work.exception()  # retrieved: an abandoned one has no other reader


if __name__ == "__main__":
    serve(TurnEnd)
