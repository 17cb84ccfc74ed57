"""How often one address may do something costly."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

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
