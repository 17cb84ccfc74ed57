"""How often one address may do something costly, and how many event streams it may hold."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from voice_agent.errors import Code, Temporary

_REMEMBERED: Final = 10_000


class RateLimit:
    """A bucket for each address, refilled evenly. The least recently seen addresses are forgotten first."""

    def __init__(self, per_minute: int) -> None:
        self._capacity = float(per_minute)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str, now: float) -> float:
        """0.0: go on. Else: seconds until the next one is free."""
        level, since = self._buckets.pop(address, (self._capacity, now))
        level = min(self._capacity, level + (now - since) * self._capacity / 60.0)
        allowed = level >= 1.0
        self._buckets[address] = (level - 1.0 if allowed else level, now)
        if len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1.0 - level) * 60.0 / self._capacity


STREAMS_PER_ADDRESS: Final = 16
STREAMS: Final = 128


class StreamLimit:
    """Event streams that are open now: so many for one address, and so many in all."""

    def __init__(self, per_address: int = STREAMS_PER_ADDRESS, in_all: int = STREAMS) -> None:
        self._per_address = per_address
        self._in_all = in_all
        self._open: Counter[str] = Counter()

    @property
    def open(self) -> int:
        return self._open.total()

    @contextmanager
    def taken(self, address: str) -> Iterator[None]:
        if self._open[address] >= self._per_address:
            raise _too_many(f"This address has {self._per_address} event streams open.", "Close one of them.")
        if self.open >= self._in_all:
            raise _too_many(f"There are {self._in_all} event streams open.", "Try again later.")
        self._open[address] += 1
        try:
            yield
        finally:
            self._open[address] -= 1
            if not self._open[address]:
                del self._open[address]


def _too_many(message: str, remedy: str) -> Temporary:
    return Temporary(Code.RATE_LIMITED, message, remedy, retry_after=5)
