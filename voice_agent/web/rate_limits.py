"""Rate limits per address: costly requests per minute, different secrets tried, open event streams."""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from voice_agent.errors import Code, Temporary

_REMEMBERED: Final = 10_000


class RateLimit:
    """Token bucket for each address, refilled evenly. The least recently seen addresses are dropped first."""

    def __init__(self, per_minute: int) -> None:
        self._capacity = float(per_minute)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str, now: float) -> float:
        """0.0: allowed. Else: seconds until the next request is allowed."""
        level, since = self._buckets.pop(address, (self._capacity, now))
        level = min(self._capacity, level + (now - since) * self._capacity / 60.0)
        allowed = level >= 1.0
        self._buckets[address] = (level - 1.0 if allowed else level, now)
        if len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1.0 - level) * 60.0 / self._capacity


BEARERS_PER_MINUTE: Final = 60


class BearerLimit:
    """Limit of the secrets an address may try. A secret it has sent before does not count: many wrong ones do not lock
    out a caller that was in."""

    def __init__(self, per_minute: int = BEARERS_PER_MINUTE) -> None:
        self._rate = RateLimit(per_minute)
        self._shown: OrderedDict[bytes, None] = OrderedDict()

    def take(self, address: str, secret: str, now: float) -> float:
        """0.0: the secret may be checked. Else: seconds until the next one may be."""
        shown = hashlib.sha256(f"{address} {secret}".encode()).digest()
        if shown in self._shown:
            self._shown.move_to_end(shown)
            return 0.0
        wait = self._rate.take(address, now)
        if not wait:
            self._shown[shown] = None
            if len(self._shown) > _REMEMBERED:
                self._shown.popitem(last=False)
        return wait


STREAMS_PER_ADDRESS: Final = 16
STREAMS: Final = 128


class StreamLimit:
    """Limit of open event streams, for one address and in all."""

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
