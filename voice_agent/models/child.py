"""One child process: started, waited for, restarted when it dies, gone when its parent goes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import httpx
import structlog

from voice_agent.errors import Code, Permanent, Temporary
from voice_agent.models.child_io import READY

log = structlog.get_logger()

FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 10.0
STABLE_AFTER: Final = 30.0
"""A child that ran this long had not failed to start: the pause begins anew."""
LOAD_DEADLINE: Final = 120.0
WAIT_FOR_RESTART: Final = 10.0
"""A request that meets a restarting child waits this long for it."""
STOP_GRACE: Final = 3.0


class State(StrEnum):
    FETCHING = "fetching"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


class Child:
    def __init__(self, name: str, module: str, socket: Path) -> None:
        self.name = name
        self.state = State.FETCHING
        self.detail = ""
        self.restarts = 0
        self.pid: int | None = None
        self._module = module
        self._socket = socket
        self._ready = asyncio.Event()
        self._ended = asyncio.Event()
        """Of the present run; each has its own."""
        # A kept connection may be closed by the child at the moment we use it; a new one costs next to nothing here.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self.client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(socket), limits=limits),
            base_url=f"http://{name}",
            timeout=httpx.Timeout(None, connect=5.0),
        )

    async def supervise(self, order: Mapping[str, Any]) -> None:
        """Runs until cancelled."""
        pause = FIRST_PAUSE
        try:
            while True:
                started = time.monotonic()
                code = await self._run_once({**order, "socket": str(self._socket)})
                self.state, self.detail = State.FAILED, f"the process ended with code {code} and is started again"
                self.restarts += 1
                log.error("models.child_ended", child=self.name, code=code, restarts=self.restarts)
                if time.monotonic() - started > STABLE_AFTER:
                    pause = FIRST_PAUSE
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
        finally:
            await self.client.aclose()

    async def _run_once(self, order: Mapping[str, Any]) -> int:
        self.state, self.detail = State.LOADING, "the model is loaded"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", self._module),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # Libraries unpack things and leave them; what is left here goes with the folder.
            env=os.environ | {"TMPDIR": str(self._socket.parent)},
        )
        assert process.stdin is not None
        assert process.stdout is not None
        self.pid = process.pid
        self._ended = ended = asyncio.Event()
        try:
            process.stdin.write(json.dumps(order).encode() + b"\n")
            async with asyncio.timeout(LOAD_DEADLINE):
                announced = await process.stdout.readline()
            if announced == READY:
                self.state, self.detail = State.READY, ""
                self._ready.set()
                log.info("models.child_ready", child=self.name, pid=process.pid)
            return await process.wait()
        except TimeoutError:
            return -1
        except ConnectionError:  # it died before it had read its orders
            return await process.wait()
        finally:
            self._ready.clear()
            self.pid = None
            await _stop(process)
            ended.set()

    async def available(self) -> None:
        """Returns when the child can be asked; raises after a short wait."""
        try:
            async with asyncio.timeout(WAIT_FOR_RESTART):
                await self._ready.wait()
        except TimeoutError:
            raise Temporary(
                Code.MODEL_UNREACHABLE,
                f"The local {self.name} model is not ready ({self.state}: {self.detail}).",
                "Wait until /health answers 200; the log of the model server tells why if it does not.",
            ) from None

    @asynccontextmanager
    async def ask(self, path: str, failure: Code, **content: Any) -> AsyncIterator[httpx.Response]:
        """A streamed answer of the child; its refusals and its death as our errors."""
        try:
            async with aclosing(await self._answered(path, content)) as response:
                if response.status_code >= 400:
                    raise _refusal(response.status_code, await response.aread(), failure)
                yield response
        except httpx.TransportError as error:
            raise Temporary(failure, f"The local {self.name} model stopped in the middle.", "Try again.") from error

    async def _answered(self, path: str, content: Mapping[str, Any]) -> httpx.Response:
        """Asked once more where the child died before it said anything: the dying still take connections."""
        await self.available()
        ended = self._ended
        try:
            return await self._send(path, content)
        except httpx.TransportError:
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_GRACE):
                    await ended.wait()
            if not ended.is_set():
                raise
        await self.available()
        return await self._send(path, content)

    async def _send(self, path: str, content: Mapping[str, Any]) -> httpx.Response:
        return await self.client.send(self.client.build_request("POST", path, **content), stream=True)


def _refusal(status: int, body: bytes, failure: Code) -> Temporary | Permanent:
    try:
        said = json.loads(body)["error"]
        code = Code(said["code"]) if said.get("code") in set(Code) else (Code.BAD_REQUEST if status < 500 else failure)
        kind = Permanent if status < 500 else Temporary
        return kind(code, str(said["message"]), str(said.get("remedy", "")))
    except (ValueError, KeyError, TypeError):
        return Temporary(failure, f"The local model answered {status}.", "Try again.")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()  # the child ends with its stdin
    try:
        async with asyncio.timeout(STOP_GRACE):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
