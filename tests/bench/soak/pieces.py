"""Table of the soak's pieces: name, repetitions, implementation."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from tests.bench.soak import conversation, faults, memory, sessions

Once = Callable[[int], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Piece:
    name: str
    count: int
    opened: Callable[[int], AbstractAsyncContextManager[Once]]
    """Given the seed, yields a function that runs repetition N and raises AssertionError if a guarantee is broken."""


def command(*words: str, **environment: str) -> Callable[[int], AbstractAsyncContextManager[Once]]:
    """A whole program as one repetition; its exit code is the result."""

    @asynccontextmanager
    async def opened(seed: int) -> AsyncIterator[Once]:
        async def once(_number: int) -> dict[str, Any]:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", *(word.format(seed=seed) for word in words)),
                env=os.environ | environment,
                stdout=asyncio.subprocess.PIPE,
            )
            printed, _ = await process.communicate()
            assert process.returncode == 0, printed.decode()[-400:]
            try:
                return dict(json.loads(printed))
            except ValueError:
                return {"printed": printed.decode().strip().splitlines()[-1]}

        yield once

    return opened


_ALL: Final = (
    Piece("simulation", 1, command("tests.bench.simulation", "--seed", "{seed}")),
    Piece("properties", 1, command("pytest", "tests/unit/lifecycle", "-q", VOICE_TEST_PROFILE="soak")),
    Piece(
        "fuzz",
        1,
        command("pytest", "tests/integration/web/test_bad_input.py", "-q", "--timeout=1200", VOICE_FUZZ_EXAMPLES="300"),
    ),
    Piece("burst", 1, sessions.burst),
    # Faults without a separate piece: twenty requests at two workers, clock jumps, wedged agents; with light agents.
    Piece("room faults", 30, command("pytest", "tests/integration/rooms", "-q", "-k", "twenty or clock or dead")),
    Piece("cycles", 100, conversation.cycles),
    Piece("rejoins", 200, conversation.rejoins),
    Piece("ten rooms", 5, conversation.crowds),
    Piece("memory kills", 200, memory.kills),
    Piece("learning kills", 200, memory.learning_kills),
    *(Piece(name, 30, faults.fault(how)) for name, how in faults.FAULTS.items()),
)
PIECES: Final = {piece.name: piece for piece in _ALL}
