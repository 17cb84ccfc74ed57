"""Watch of a worker over its job processes: bridges the lease while one starts, reports the exit of one that ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from voice_agent.contracts import LEASE_RENEWAL
from voice_agent.errors import Temporary
from voice_agent.rooms.leases import Lease, Leases

_STARTS_WITHIN: Final = 20.0
"""Seconds. The lease of a job that does not renew it itself by then is no longer bridged."""
_LOOK_EVERY: Final = 0.25
"""livekit-agents offers no event for the end of a job process."""


@dataclass(slots=True)
class _Start:
    lease: Lease
    since: float
    beat: int = 0


class JobWatch:
    def __init__(self, leases: Leases, active: Callable[[], set[str]], changed: Callable[[], Awaitable[None]]) -> None:
        self._leases = leases
        self._active = active
        self._changed = changed
        self._starting: dict[str, _Start] = {}
        self._some = asyncio.Event()
        """Set while there are jobs: without one, nothing needs to be checked."""
        self._seen: set[str] = set()

    def accepted(self, lease: Lease) -> None:
        self._starting[lease.job] = _Start(lease, time.monotonic())
        self._some.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        renewed_at = time.monotonic()
        while True:
            await self._some.wait()
            await asyncio.sleep(_LOOK_EVERY)
            active = self._active()
            try:
                if active != self._seen:
                    await self._changed()  # first: a process that learns of the exit must find the seat free
                for job in self._seen - active:
                    await self._leases.job_died(job)
                    self._starting.pop(job, None)
                self._seen = active
                if time.monotonic() - renewed_at >= LEASE_RENEWAL:
                    renewed_at = time.monotonic()
                    await self._bridge(renewed_at)
                if not (self._starting or self._seen or self._active()):
                    self._some.clear()
            except Temporary:
                continue  # the database is away; a job that has ended is found again at the next look

    async def _bridge(self, now: float) -> None:
        """Renew for processes that are still importing: they cannot, and must not be taken for dead."""
        for job, start in list(self._starting.items()):
            if now - start.since < _STARTS_WITHIN and await self._leases.bridge(start.lease, start.beat):
                start.beat += 1
            else:
                del self._starting[job]
