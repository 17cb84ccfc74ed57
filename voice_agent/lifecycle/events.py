"""Everything the machine can be told. Frozen facts; those bound to an episode say which one."""

from __future__ import annotations

from dataclasses import dataclass

from voice_agent.lifecycle.states import Human, Timer


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened."""


@dataclass(frozen=True, slots=True)
class EpisodeEvent(Event):
    """The result of something an episode began. One of an older episode is dropped by the machine itself."""

    episode: int


# --- job and room ---


@dataclass(frozen=True, slots=True)
class JobStarted(Event):
    """A worker took the job. `greeted` are the sids an earlier job of this session has greeted already."""

    last_episode: int
    agent_id: str
    lease_epoch: int = 0
    greeted: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RoomConnected(Event):
    """We are in; these humans were there before us."""

    humans: tuple[Human, ...] = ()


@dataclass(frozen=True, slots=True)
class RoomReconnected(Event):
    """Our connection came back, resumed or in full. Joins and leaves in between were not reported."""

    full: bool = False


@dataclass(frozen=True, slots=True)
class RoomDisconnected(Event):
    """We are out of the room for good."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class AudioPublished(Event):
    """Our audio track is up."""


# --- humans ---


@dataclass(frozen=True, slots=True)
class HumanJoined(Event):
    human: Human


@dataclass(frozen=True, slots=True)
class HumanLeft(Event):
    sid: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class HumansScanned(Event):
    """The complete set of humans present now, in order of arrival. The answer to `Rescan`; welcome at any time."""

    humans: tuple[Human, ...]


@dataclass(frozen=True, slots=True)
class ListenerSubscribed(Event):
    """This human hears our track. Without a sid: somebody does, and the SFU did not say who."""

    sid: str | None = None


@dataclass(frozen=True, slots=True)
class SpeakerChanged(Event):
    """This human speaks now and should be the one who is heard."""

    sid: str


# --- memory ---


@dataclass(frozen=True, slots=True)
class MemoryLoaded(EpisodeEvent):
    """Ends a `LoadMemory`. Not fresh: the loader fell back to a kept snapshot."""

    fresh: bool = True


@dataclass(frozen=True, slots=True)
class MemoryLoadFailed(EpisodeEvent):
    """Ends a `LoadMemory`. With a snapshot the agent goes on with that."""

    code: str
    has_snapshot: bool


@dataclass(frozen=True, slots=True)
class SyncFinished(Event):
    """The outbox ran dry or maintenance ended. `changed`: what we loaded is out of date now."""

    changed: bool = True


# --- reset ---


@dataclass(frozen=True, slots=True)
class ResetRequested(Event):
    reason: str = "manual"


@dataclass(frozen=True, slots=True)
class SwitchAgentRequested(Event):
    """Another assistant shall answer in this room. Carried out as part of a reset, as soon as one is safe."""

    agent_id: str


@dataclass(frozen=True, slots=True)
class SpeechStopped(EpisodeEvent):
    """Ends a `StopSpeech`."""


@dataclass(frozen=True, slots=True)
class TasksEnded(EpisodeEvent):
    """Ends a `CancelEpisodeTasks`: every task of the episode has been awaited."""


@dataclass(frozen=True, slots=True)
class HistoryCleared(EpisodeEvent):
    """Ends a `ClearHistory`."""


# --- conversation ---


@dataclass(frozen=True, slots=True)
class GreetingFinished(EpisodeEvent):
    """Spoken, interrupted, or switched off."""


@dataclass(frozen=True, slots=True)
class GreetingFailed(EpisodeEvent):
    code: str


@dataclass(frozen=True, slots=True)
class TurnStarted(EpisodeEvent):
    turn_id: str
    session_id: str = ""
    """Of who speaks, which is not always that of the job."""


@dataclass(frozen=True, slots=True)
class TurnFinished(EpisodeEvent):
    """The turn is committed to the outbox, or was given up with a notice."""

    turn_id: str
    session_id: str = ""
    """Of who speaks, which is not always that of the job."""


# --- time, lease, end ---


@dataclass(frozen=True, slots=True)
class TimerFired(EpisodeEvent):
    """Echoes a `StartTimer`; the serial tells it from an earlier start of the same timer."""

    timer: Timer
    serial: int


@dataclass(frozen=True, slots=True)
class LeaseLost(Event):
    """Somebody else owns the room, or we could not prove in time that we do."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class DrainRequested(Event):
    """The worker wants to stop: leave when nobody is here, else finish the visit, within a bound."""


@dataclass(frozen=True, slots=True)
class ShutdownRequested(Event):
    """Leave now."""

    reason: str = "shutdown"


@dataclass(frozen=True, slots=True)
class Failure(Event):
    """Something this job cannot recover from."""

    code: str
    message: str = ""
