"""Loader of memory blocks: reads within a deadline, else returns the last good snapshot and the reason."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

from voice_agent.errors import Code, Temporary, VoiceAgentError
from voice_agent.memory.model import LettaPort, Snapshot


@dataclass(frozen=True, slots=True)
class LoadResult:
    """A snapshot (the last good one if Letta did not answer in time), and the error if it is not fresh."""

    snapshot: Snapshot | None
    error: VoiceAgentError | None = None

    @property
    def fresh(self) -> bool:
        return self.error is None


class MemoryLoader:
    def __init__(self, letta: LettaPort) -> None:
        self._letta = letta
        self._last_good: dict[str, Snapshot] = {}
        self._wanted_now = asyncio.Event()

    async def load(self, agent_id: str, deadline: float) -> LoadResult:
        try:
            async with asyncio.timeout(deadline):
                snapshot = await self._load_with_retries(agent_id, deadline)
        except TimeoutError:
            late = Temporary(
                Code.LETTA_UNAVAILABLE,
                f"Letta did not answer within {deadline:g} s.",
                "The last memory that was read is used; it is tried again.",
            )
            return LoadResult(self._last_good.get(agent_id), late)
        except VoiceAgentError as error:
            return LoadResult(self._last_good.get(agent_id), error)
        self._last_good[agent_id] = snapshot
        return LoadResult(snapshot)

    def last_good(self, agent_id: str) -> Snapshot | None:
        return self._last_good.get(agent_id)

    def take(self, snapshot: Snapshot) -> None:
        """Another process has read it."""
        self._last_good[snapshot.letta_agent_id] = snapshot

    def look_now(self) -> None:
        """Make `next_change` look at once instead of after its interval."""
        self._wanted_now.set()

    async def next_change(self, agent_id: str, every: float) -> Snapshot:
        """Wait until Letta's memory differs from what was loaded last. Each look is one cheap call."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every):
                    await self._wanted_now.wait()
            self._wanted_now.clear()
            try:
                snapshot = await self._letta.load_blocks(agent_id)
            except Temporary:
                continue  # `load` reports that Letta is away; a failed look is repeated
            known = self._last_good.get(agent_id)
            self._last_good[agent_id] = snapshot
            if known is None or known.version != snapshot.version:
                return snapshot

    async def _load_with_retries(self, agent_id: str, deadline: float) -> Snapshot:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(Temporary),
            stop=stop_after_delay(deadline),
            wait=wait_exponential_jitter(multiplier=0.1, max=0.8, jitter=0.1),
            reraise=True,
        ):
            with attempt:
                return await self._letta.load_blocks(agent_id)
        raise AssertionError("tenacity either returns or raises")
