"""Liveness of rooms and leases: since when each is as it is, on this observer's own monotonic clock.

No wall clock is used. A lease is silent when its beat has not moved *while this observer could write*: a locked
database or a suspended observer restarts the count and fences no lease.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from voice_agent.lifecycle.room_health import SeenRoom


@dataclass(slots=True)
class _Room:
    beat: tuple[int, int] | None
    moved_at: float
    empty_since: float | None
    owner: tuple[int, str] | None
    unserved_since: float | None
    silent_for: float = 0.0
    silent_before: float = 0.0
    """Reported by the last two renewals of one holder."""


class Liveness:
    """Record of own writes, by `wrote()` and `write_failed()`, and of each room, by `look()`."""

    def __init__(self, longest_gap: float = 6.0) -> None:
        self._gap = longest_gap
        self._wrote_at: float | None = None
        self._writing_since: float | None = None
        self._rooms: dict[str, _Room] = {}

    def wrote(self, now: float) -> None:
        """An own write succeeded. To be called at least once per renewal interval."""
        if self._wrote_at is None or now - self._wrote_at > self._gap or self._writing_since is None:
            self._writing_since = now
        self._wrote_at = now

    def write_failed(self) -> None:
        self._writing_since = None

    def look(self, seen: SeenRoom, beat: int, now: float) -> SeenRoom:
        """`seen` with its times filled in. `beat` is the lease's, 0 without one.

        `empty_since` of a room seen for the first time is taken as given if it lies in the past (so that a restarted
        observer can continue a count), else it starts now.
        """
        lease = seen.lease
        beats = (lease.epoch, beat) if lease else None
        owner = (lease.epoch, lease.job_id) if lease else None
        known = self._rooms.get(seen.room)
        if known is None:
            since = min(seen.empty_since, now) if seen.empty_since else now
            known = self._rooms[seen.room] = _Room(beats, now, since, owner, now)
        if beats != known.beat:
            same = beats and known.beat and beats[0] == known.beat[0]
            known.silent_before = known.silent_for if same else 0.0
            known.beat, known.moved_at = beats, now
        known.silent_for = lease.silent_for if lease else 0.0
        # Each time counts from the first look that found it so: what happened between two looks is unknown.
        known.empty_since = None if seen.humans else now if known.empty_since is None else known.empty_since
        served = any(agent.ready and lease and agent.job_id == lease.job_id for agent in seen.agents)
        if owner != known.owner or known.unserved_since is None:
            known.owner, known.unserved_since = owner, now
        if served:
            known.unserved_since = None
        if lease:
            quiet = self._quiet_for(known.moved_at, now)
            lease = replace(lease, quiet_for=quiet, silent_before=known.silent_before)
        return SeenRoom(
            seen.room,
            seen.exists,
            seen.ours,
            seen.humans,
            seen.agents,
            lease,
            empty_since=known.empty_since or now,
            unserved_since=known.unserved_since or now,
        )

    def _quiet_for(self, moved_at: float, now: float) -> float:
        if self._writing_since is None or self._wrote_at is None or now - self._wrote_at > self._gap:
            return 0.0
        return max(0.0, now - max(moved_at, self._writing_since))

    def forget(self, rooms: Iterable[str]) -> None:
        """These rooms are gone for good."""
        for room in rooms:
            self._rooms.pop(room, None)
