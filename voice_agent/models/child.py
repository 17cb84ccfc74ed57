"""Supervised child process and its HTTP client: started, awaited, restarted when it exits; it ends with its parent."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
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
"""A child that ran this long did not fail to start: the restart pause is reset."""
LOAD_DEADLINE: Final = 120.0
WAIT_FOR_RESTART: Final = 10.0
"""A request waits this long for a restarting child."""
STOP_GRACE: Final = 3.0
LONGEST_STANDSTILL: Final = 2.0


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
        """Of the present run; each run has its own event."""
        self._process: asyncio.subprocess.Process | None = None
        """Of the present run, once it is ready."""
        self._standing_still = False
        self._holds: set[object] = set()
        # No keep-alive: the child may close an idle connection at the moment it is used; a new one is cheap here.
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
            # Libraries leave temporary files behind; here they are removed with the folder.
            env=os.environ | {"TMPDIR": str(self._socket.parent)},
            # The kernel ends a process that stands still when its parent is gone, if it has a group of its own.
            process_group=0,
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
                self._process = process
                self._stop_or_go_on()
                log.info("models.child_ready", child=self.name, pid=process.pid)
            return await process.wait()
        except TimeoutError:
            return -1
        except ConnectionError:  # it exited before it read its orders
            return await process.wait()
        finally:
            self._ready.clear()
            self._go_on_for_good()
            self.pid = None
            await _stop(process)
            ended.set()

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """The process computes nothing meanwhile, so that another one has the cores; not for longer than
        LONGEST_STANDSTILL. What it is asked waits."""
        hold = object()
        self._holds.add(hold)
        self._stop_or_go_on()
        limit = asyncio.get_running_loop().call_later(LONGEST_STANDSTILL, self._release, hold)
        try:
            yield
        finally:
            limit.cancel()
            self._release(hold)

    def _release(self, hold: object) -> None:
        self._holds.discard(hold)
        self._stop_or_go_on()

    def _stop_or_go_on(self) -> None:
        if self._process is None or self._standing_still == bool(self._holds):
            return
        self._standing_still = bool(self._holds)
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGSTOP if self._standing_still else signal.SIGCONT)

    def _go_on_for_good(self) -> None:
        """A process that stands still would not see that it is to exit."""
        process, self._process = self._process, None
        if process is not None and self._standing_still:
            self._standing_still = False
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)

    async def available(self, within: float = WAIT_FOR_RESTART) -> None:
        """Returns when the child accepts requests; raises after that many seconds."""
        try:
            async with asyncio.timeout(within):
                await self._ready.wait()
        except TimeoutError:
            raise Temporary(
                Code.MODEL_UNREACHABLE,
                f"The local {self.name} model is not ready ({self.state}: {self.detail}).",
                "Wait until /health answers 200; the log of the model server tells why if it does not.",
            ) from None

    @asynccontextmanager
    async def ask(self, path: str, failure: Code, **content: Any) -> AsyncIterator[httpx.Response]:
        """A streamed response of the child; its error responses and its exit become our errors."""
        try:
            async with aclosing(await self._answered(path, content)) as response:
                if response.status_code >= 400:
                    raise _refusal(response.status_code, await response.aread(), failure)
                yield response
        except httpx.TransportError as error:
            raise Temporary(failure, f"The local {self.name} model stopped in the middle.", "Try again.") from error

    async def _answered(self, path: str, content: Mapping[str, Any]) -> httpx.Response:
        """Sends once more if the child exits before it answers: an exiting process still accepts connections."""
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
        process.stdin.close()  # the child exits at the end of its stdin
    try:
        async with asyncio.timeout(STOP_GRACE):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
