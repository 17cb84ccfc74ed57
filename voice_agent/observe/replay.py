"""Replay of the reconnect log: checks it against the pure machine and the invariants of docs/lifecycle.md.

Every life (one machine, from job start to the end) is replayed: each logged event goes into a second machine, whose
answer must match the log. In addition, the checks below keep state of their own, so that an error of the machine
cannot hide itself. The state per life, room and session is bounded; lines are read once.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from voice_agent.contracts import LogEvent
from voice_agent.lifecycle import codec
from voice_agent.lifecycle.machine import IllegalTransition, Machine
from voice_agent.lifecycle.states import State
from voice_agent.lifecycle.timing import Timing
from voice_agent.observe.reading import Entry

_K = TypeVar("_K")
_V = TypeVar("_V")

MOST_LIVES: Final = 20_000
MOST_TURNS: Final = 1_000
SLACK: Final = 5.0
"""Seconds that a busy host may add to any bound."""
_NOBODY_IS_LOST: Final = {"lost_for": -1.0}
"""A log without `lost_for` is of a version that greeted every human who came back."""
RECENT: Final = 10.0
"""A life that logged nothing for this many seconds may have been killed: it proves nothing any more."""


@dataclass(frozen=True, slots=True)
class Breach:
    """A broken invariant, and where the log shows it."""

    invariant: str
    place: str
    room: str
    session: str
    sentence: str

    def __str__(self) -> str:
        return (
            f"{self.place}: room {self.room or '-'}, session {self.session or '-'}: {self.sentence} [{self.invariant}]"
        )


@dataclass(slots=True)
class Life:
    """State of one machine, as far as the log shows it."""

    room: str
    machine: Machine | None
    """None: the log begins in the middle of this life, or a difference was already reported."""
    epoch: int = 0
    counted: bool = True
    """The humans present are known: not when the log begins in the middle."""
    humans: frozenset[str] = frozenset()
    greetings: int = 0
    """Greetings in the current visit."""
    reset_since: float | None = None
    loaded_since_reset: bool = False
    last_seen: float = 0.0
    ready: bool = False
    fenced: bool = False
    """It was told that its lease is lost: what it still reports was said before."""


@dataclass(slots=True)
class Session:
    """Turns from their beginning until they are stored. They may overlap: texts that are typed at the same time."""

    begun: OrderedDict[str, None] = field(default_factory=OrderedDict)
    """In the order in which they must be stored."""
    finished: OrderedDict[str, None] = field(default_factory=OrderedDict)
    stored: OrderedDict[str, None] = field(default_factory=OrderedDict)


class Replay:
    """Checker of a log: `feed()` entries in order, then `finish()`. Both yield breaches as they are found."""

    def __init__(self) -> None:
        self.lines = 0
        self.partial = 0
        """Lives whose beginning is not in the log."""
        self.lives: OrderedDict[str, Life] = OrderedDict()
        self.rooms: dict[str, str] = {}
        """Room → the life with the highest lease epoch that connected to it."""
        self.sessions: OrderedDict[str, Session] = OrderedDict()
        self.joined: OrderedDict[str, float] = OrderedDict()
        """Humans the agents have noticed, for the observer's record."""
        self._sequence: OrderedDict[tuple[int, str], int] = OrderedDict()

    def feed(self, entry: Entry) -> Iterator[Breach]:
        self.lines += 1
        if entry.data is None:
            if entry.torn:
                return  # a process is writing it right now, or was killed while writing
            yield Breach("log", entry.place, "", "", "This line is not a JSON object.")
            return
        yield from self._gaps(entry, entry.data)
        check = _CHECKS.get(str(entry.data.get("event")))
        if check is not None:
            try:
                yield from check(self, entry, entry.data, entry.data["fields"])
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                yield _breach("log", entry, f"This line lacks what its event promises: {error!r}.")

    def finish(self, *, settled: bool = False) -> Iterator[Breach]:
        """`settled`: the system had time to store everything before the log ended."""
        for name, session in self.sessions.items():
            if settled and session.finished:
                lost = ", ".join(list(session.finished)[:5])
                yield Breach(
                    "3", "end of the log", "", name, f"{len(session.finished)} turns were never stored: {lost}."
                )

    def _gaps(self, entry: Entry, line: Mapping[str, Any]) -> Iterator[Breach]:
        writer, number = (line.get("pid", 0), str(line.get("process", ""))), line.get("seq", 0)
        before = self._sequence.get(writer)
        if before is not None and number > before + 1:
            yield _breach(
                "log", entry, f"{number - before - 1} lines of process {writer[0]} before this one are missing."
            )
        _remember(self._sequence, writer, max(number, before or 0) if number > 1 else number, MOST_LIVES)

    # --- lives ---

    def _life(self, entry: Entry, fields: Mapping[str, Any]) -> Life | None:
        life = self.lives.get(fields.get("life", ""))
        if life is not None:
            life.last_seen = entry.mono
        return life

    def transition(self, entry: Entry, line: Mapping[str, Any], fields: Mapping[str, Any]) -> Iterator[Breach]:
        name, cause = fields["life"], fields["cause"]
        life = self.lives.get(name)
        if life is None:
            begins = cause["name"] == "JobStarted"
            self.partial += not begins
            machine = Machine(Timing(**_NOBODY_IS_LOST | fields["timing"])) if begins else None
            life = Life(line["room"], machine, counted=begins)
            _remember(self.lives, name, life, MOST_LIVES)
        life.last_seen = entry.mono
        if cause["name"] == "JobStarted":
            life.epoch = cause["lease_epoch"]
        if life.machine is not None:
            yield from self._again(entry, life, life.machine, fields)
        yield from self._visits(entry, life, fields)
        yield from self._resets(entry, life, line, fields)
        life.fenced = life.fenced or cause["name"] == "LeaseLost"
        if cause["name"] == "RoomConnected":
            self._connected(name, life)
        life.ready = fields["to"] in (State.READY, State.ENGAGED)
        if fields["to"] == State.CLOSED:
            self.lives.pop(name)
            if self.rooms.get(life.room) == name:
                del self.rooms[life.room]

    def _again(self, entry: Entry, life: Life, machine: Machine, fields: Mapping[str, Any]) -> Iterator[Breach]:
        """Replay the event in the second machine and compare."""
        before = machine.state
        try:
            effects = machine.handle(codec.load(fields["cause"]), entry.mono)
        except IllegalTransition as error:
            life.machine = None  # one report is enough: from here on the second machine is out of step
            yield _breach("machine", entry, f"The log has {fields['trigger']}, but {error.message}")
            return
        ours = (before, machine.state, len(machine.humans), [type(effect).__name__ for effect in effects])
        theirs = (fields["from"], fields["to"], fields["humans"], fields["effects"])
        if ours != theirs:
            life.machine = None
            yield _breach("machine", entry, f"The machine goes {_path(ours)}; the log says {_path(theirs)}.")

    def _visits(self, entry: Entry, life: Life, fields: Mapping[str, Any]) -> Iterator[Breach]:
        cause = fields["cause"]
        present = _present(life.humans, cause)
        life.counted = life.counted or cause["name"] in ("RoomConnected", "HumansScanned")
        if not life.humans & present:
            life.greetings = 0
        life.humans = present
        for sid in present:
            _remember(self.joined, sid, entry.mono, MOST_LIVES)
        if "Greet" in fields["effects"]:
            life.greetings += 1
            if life.counted and not present:
                yield _breach("6", entry, "A greeting is spoken although nobody is in the room.")
            if life.greetings > 1:
                yield _breach("6", entry, f"This is greeting {life.greetings} of one visit.")
        if "LeaveRoom" in fields["effects"] and fields["trigger"] == "nobody came back" and present:
            yield _breach("7", entry, f"The agent leaves for want of company while {len(present)} humans are here.")

    def _resets(self, entry: Entry, life: Life, line: Mapping[str, Any], fields: Mapping[str, Any]) -> Iterator[Breach]:
        if fields["to"] == State.RESETTING and life.reset_since is None:
            life.reset_since, life.loaded_since_reset = entry.mono, False
        if "LoadMemory" in fields["effects"]:
            life.loaded_since_reset = True
        if fields["from"] == State.RESETTING and fields["to"] in (State.READY, State.ENGAGED):
            began, life.reset_since = life.reset_since, None
            timing = life.machine.timing if life.machine else Timing()
            bound = 2 * (timing.reset_deadline + timing.teardown_grace) + SLACK
            if fields["memory"] == "fresh" and not life.loaded_since_reset:
                yield _breach("4", entry, "The memory is called fresh, but nothing was loaded since the reset began.")
            if began is not None and entry.mono - began > bound:
                yield _breach("4", entry, f"The reset took {entry.mono - began:.1f} s; its bound is {bound:.0f} s.")

    def _connected(self, name: str, life: Life) -> None:
        incumbent = self.lives.get(self.rooms.get(life.room, ""))
        if incumbent is None or incumbent.epoch <= life.epoch:
            self.rooms[life.room] = name

    # --- single lines ---

    def effect(self, entry: Entry, line: Mapping[str, Any], fields: Mapping[str, Any]) -> Iterator[Breach]:
        self._life(entry, fields)
        late = fields["effect"] in ("LoadMemory", "Greet") and fields["of_episode"] < line["episode"]
        if late and fields["outcome"] == "ok":
            what = f"{fields['effect']} of episode {fields['of_episode']}"
            yield _breach("4", entry, f"{what} ended well in episode {line['episode']}: a task outlived its episode.")

    def illegal(self, entry: Entry, _line: Mapping[str, Any], fields: Mapping[str, Any]) -> Iterator[Breach]:
        yield _breach("machine", entry, f"{fields['cause']['name']} was told in state {fields['state']}.")

    def speech(self, entry: Entry, line: Mapping[str, Any], fields: Mapping[str, Any]) -> Iterator[Breach]:
        life = self._life(entry, fields)
        if life is None or life.fenced:
            return
        holder = self.lives.get(self.rooms.get(life.room, ""))
        if holder is not None and holder is not life and holder.epoch > life.epoch and holder.ready:
            yield _breach("1", entry, f"Epoch {life.epoch} speaks although epoch {holder.epoch} is ready in this room.")
        # A greeting that a reset interrupted also ends, in an empty room.
        if life.counted and not life.humans and life.reset_since is None:
            yield _breach("6", entry, "Something is said although nobody is in the room.")

    def turn_started(self, entry: Entry, line: Mapping[str, Any], fields: Mapping[str, Any]) -> Iterator[Breach]:
        session, turn = self._session(line, fields), fields["turn_id"]
        if turn not in session.stored:
            _remember(session.begun, turn, None, MOST_TURNS)
            session.finished.pop(turn, None)  # left without an answer by one agent, and taken up by the next
        yield from self.speech(entry, line, fields)

    def turn_finished(self, entry: Entry, line: Mapping[str, Any], fields: Mapping[str, Any]) -> Iterator[Breach]:
        session, turn = self._session(line, fields), fields["turn_id"]
        if turn in session.finished:
            yield _breach("3", entry, f"Turn {turn} is finished twice.")
        elif turn not in session.stored:
            _remember(session.finished, turn, None, MOST_TURNS)
            if turn not in session.begun:  # the log begins in the middle of it
                _remember(session.begun, turn, None, MOST_TURNS)

    def turn_stored(self, entry: Entry, line: Mapping[str, Any], fields: Mapping[str, Any]) -> Iterator[Breach]:
        session, turn = self._session(line, fields), fields["turn_id"]
        if turn in session.stored:
            yield _breach("3", entry, f"Turn {turn} is stored twice.")
        _remember(session.stored, turn, None, MOST_TURNS)
        if turn in session.begun:
            earlier = list(itertools.takewhile(lambda other: other != turn, session.begun))
            for other in (other for other in earlier if other in session.finished):
                yield _breach("3", entry, f"Turn {turn} is stored before turn {other}, which began earlier.")
                del session.begun[other], session.finished[other]  # reported once
            del session.begun[turn]
        session.finished.pop(turn, None)

    def _session(self, line: Mapping[str, Any], fields: Mapping[str, Any]) -> Session:
        """The speaker's session: in a shared room the turns of each speaker have their own order."""
        name = str(fields.get("session_id") or line["session"])
        known = self.sessions.get(name) or Session()
        _remember(self.sessions, name, known, MOST_LIVES)
        return known

    def room_closed(self, entry: Entry, line: Mapping[str, Any], _fields: Mapping[str, Any]) -> Iterator[Breach]:
        life = self.lives.get(self.rooms.get(line["room"], ""))
        if life is not None and life.humans and entry.mono - life.last_seen < RECENT:
            yield _breach("7", entry, f"The room is closed while {len(life.humans)} humans are in it.")


_CHECKS: Final[Mapping[str, Callable[[Replay, Entry, Mapping[str, Any], Mapping[str, Any]], Iterator[Breach]]]] = {
    LogEvent.TRANSITION: Replay.transition,
    LogEvent.EFFECT: Replay.effect,
    LogEvent.ILLEGAL: Replay.illegal,
    LogEvent.GREETING: Replay.speech,
    LogEvent.TURN_STARTED: Replay.turn_started,
    LogEvent.TURN_FINISHED: Replay.turn_finished,
    LogEvent.TURN_STORED: Replay.turn_stored,
    LogEvent.ROOM_CLOSED: Replay.room_closed,
}


def _present(before: frozenset[str], cause: Mapping[str, Any]) -> frozenset[str]:
    """Sids present after this event, from the event alone."""
    match cause["name"]:
        case "HumanJoined":
            return before | {cause["human"]["sid"]}
        case "HumanLeft":
            return before - {cause["sid"]}
        case "RoomConnected" | "HumansScanned":
            return frozenset(human["sid"] for human in cause["humans"])
    return before


def _breach(invariant: str, entry: Entry, sentence: str) -> Breach:
    line = entry.data or {}
    return Breach(invariant, entry.place, str(line.get("room", "")), str(line.get("session", "")), sentence)


def _path(step: Iterable[Any]) -> str:
    before, after, humans, effects = step
    return f"{before} → {after} with {humans} humans and {', '.join(effects) or 'no effects'}"


def _remember(store: OrderedDict[_K, _V], key: _K, value: _V, most: int) -> None:
    store[key] = value
    store.move_to_end(key)
    if len(store) > most:
        store.popitem(last=False)
