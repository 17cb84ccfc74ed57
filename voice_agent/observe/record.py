"""Record of an independent client in the room, checked together with the log.

An observer's record is a file of JSON lines, written by a program that shares no code with this one (an rtc client with
a *hidden* token, so that it does not count as a human). Every line has `mono` (monotonic seconds of the same host),
`room`, `event` and, where shown, `sid`:

    observer.joined      the observation begins                     observer.left      it ends
    human.joined  sid    a participant that is a person             human.left   sid
    agent.joined  sid    a participant that is an agent             agent.left   sid
    agent.ready   sid    its `va.ready` became "1"                  agent.unready sid  it became anything else
    audio.began   sid    its audio can be heard                     audio.ended  sid
    room.closed          the room was deleted

Participants and states present when the observer joined are recorded as if they had just begun.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from voice_agent.observe.reading import Entry, joined
from voice_agent.observe.replay import Breach, Replay

TAIL: Final = 1.0
"""Seconds for which audio in transit may still be heard after its cause is gone."""
HEAD: Final = 1.0
"""Seconds by which audio may reach a busy observer before the join: a returning human is greeted at once."""


@dataclass(slots=True)
class Room:
    watching: bool = False
    humans: dict[str, float] = field(default_factory=dict)
    ready: set[str] = field(default_factory=set)
    speaking: dict[str, float] = field(default_factory=dict)
    emptied_at: float = 0.0
    unserved_since: float | None = None
    complained: bool = False
    unnoticed: dict[str, float] = field(default_factory=dict)
    """Humans who arrived while an agent was ready, and whom the log must name soon."""
    to_nobody: list[tuple[Entry, str]] = field(default_factory=list)
    """Agents that began to speak while no human was known to be there."""


class Record:
    """Checker of an observer's record: `feed()` its lines in their order among the log's."""

    def __init__(self, replay: Replay, bound: float) -> None:
        self._replay = replay
        self._bound = bound
        self._rooms: dict[str, Room] = {}

    def feed(self, entry: Entry) -> Iterator[Breach]:
        line = entry.data
        if line is None:
            if not entry.torn:
                yield Breach("record", entry.place, "", "", "This line is not a JSON object.")
            return
        room = self._rooms.setdefault(str(line.get("room", "")), Room())
        note = _NOTES.get(str(line.get("event")))
        if note is None:
            yield self._breach("record", entry, f"An observer's record has no event {line.get('event')!r}.")
            return
        yield from self._overdue(entry, room)
        yield from note(self, entry, room, str(line.get("sid", "")))
        self._account(entry, room)

    def finish(self, last: Entry | None) -> Iterator[Breach]:
        if last is not None:
            for name, room in self._rooms.items():
                end = Entry(last.file, last.number, {**(last.data or {}), "room": name})
                yield from self._overdue(end, room)
                yield from (self._spoke_to_nobody(*spoke) for spoke in room.to_nobody)

    # --- what happens ---

    def _joined(self, _entry: Entry, room: Room, _sid: str) -> Iterator[Breach]:
        room.watching = True
        yield from ()

    def _left(self, entry: Entry, _room: Room, _sid: str) -> Iterator[Breach]:
        self._rooms[str(entry.data["room"] if entry.data else "")] = Room()
        yield from ()

    def _human_joined(self, entry: Entry, room: Room, sid: str) -> Iterator[Breach]:
        room.humans[sid] = entry.mono
        room.to_nobody.clear()
        if room.ready:
            room.unnoticed[sid] = entry.mono
        yield from ()

    def _human_left(self, entry: Entry, room: Room, sid: str) -> Iterator[Breach]:
        if room.humans.pop(sid, None) is not None and not room.humans:
            room.emptied_at = entry.mono
        room.unnoticed.pop(sid, None)
        yield from ()

    def _agent_ready(self, _entry: Entry, room: Room, sid: str) -> Iterator[Breach]:
        room.ready.add(sid)
        yield from ()

    def _agent_gone(self, _entry: Entry, room: Room, sid: str) -> Iterator[Breach]:
        room.ready.discard(sid)
        room.unnoticed.clear()  # the agent that should have noticed them may be gone
        yield from ()

    def _agent_left(self, entry: Entry, room: Room, sid: str) -> Iterator[Breach]:
        yield from self._audio_ended(entry, room, sid)
        yield from self._agent_gone(entry, room, sid)

    def _audio_began(self, entry: Entry, room: Room, sid: str) -> Iterator[Breach]:
        others = [other for other in room.speaking if other != sid]
        if others:
            yield self._breach("1", entry, f"Agents {', '.join([*others, sid])} are heard at the same time.")
        if not room.humans and entry.mono - room.emptied_at > TAIL:
            room.to_nobody.append((entry, sid))
        room.speaking[sid] = entry.mono

    def _audio_ended(self, entry: Entry, room: Room, sid: str) -> Iterator[Breach]:
        began = room.speaking.pop(sid, None)
        if began is not None and not room.humans and entry.mono - max(began, room.emptied_at) > TAIL:
            yield self._breach("6", entry, f"Agent {sid} went on speaking after everybody had left.")

    def _closed(self, entry: Entry, room: Room, _sid: str) -> Iterator[Breach]:
        if room.humans:
            yield self._breach("7", entry, f"The room was closed while {len(room.humans)} humans were in it.")

    def _nothing(self, _entry: Entry, _room: Room, _sid: str) -> Iterator[Breach]:
        yield from ()

    # --- what should have happened ---

    def _overdue(self, entry: Entry, room: Room) -> Iterator[Breach]:
        since = room.unserved_since
        if since is not None and not room.complained and entry.mono - since > self._bound:
            room.complained = True
            waited = entry.mono - since
            yield self._breach("2", entry, f"A human has been without a ready agent for {waited:.1f} s.")
        while room.to_nobody and entry.mono - room.to_nobody[0][0].mono > HEAD:
            yield self._spoke_to_nobody(*room.to_nobody.pop(0))
        for sid, arrived in list(room.unnoticed.items()):
            if sid in self._replay.joined:
                del room.unnoticed[sid]
            elif entry.mono - arrived > self._bound:
                del room.unnoticed[sid]
                yield self._breach("2", entry, f"Human {sid} came to a ready agent, and the log does not know of it.")

    def _account(self, entry: Entry, room: Room) -> None:
        if room.watching and room.humans and not room.ready:
            room.unserved_since = entry.mono if room.unserved_since is None else room.unserved_since
        else:
            room.unserved_since, room.complained = None, False

    def _spoke_to_nobody(self, entry: Entry, sid: str) -> Breach:
        return self._breach("6", entry, f"Agent {sid} speaks to an empty room.")

    def _breach(self, invariant: str, entry: Entry, sentence: str) -> Breach:
        line = entry.data or {}
        return Breach(invariant, entry.place, str(line.get("room", "")), str(line.get("session", "")), sentence)


_NOTES: Final[Mapping[str, Callable[[Record, Entry, Room, str], Iterator[Breach]]]] = {
    "observer.joined": Record._joined,
    "observer.left": Record._left,
    "human.joined": Record._human_joined,
    "human.left": Record._human_left,
    "agent.joined": Record._nothing,
    "agent.left": Record._agent_left,
    "agent.ready": Record._agent_ready,
    "agent.unready": Record._agent_gone,
    "audio.began": Record._audio_began,
    "audio.ended": Record._audio_ended,
    "room.closed": Record._closed,
}


def check(log: Iterable[Entry], record: Iterable[Entry], *, bound: float, settled: bool = False) -> Iterator[Breach]:
    """Every breach of a log, joined with an observer's record if there is one."""
    replay = Replay()
    watch = Record(replay, bound)
    last: Entry | None = None
    for observed, entry in joined(log, record):
        last = entry
        yield from watch.feed(entry) if observed else replay.feed(entry)
    yield from replay.finish(settled=settled)
    yield from watch.finish(last)
