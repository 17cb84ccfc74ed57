"""Events of the lifecycle machine: frozen facts; those bound to an episode carry its number."""

from __future__ import annotations

from dataclasses import dataclass

from voice_agent.lifecycle.states import Human, Timer


@dataclass(frozen=True, slots=True)
class Event:
    """Base class of all events."""


@dataclass(frozen=True, slots=True)
class EpisodeEvent(Event):
    """Result of something that an episode began. The machine drops one of an older episode."""

    episode: int


# --- job and room ---


@dataclass(frozen=True, slots=True)
class JobStarted(Event):
    """The job runs. `greeted`: sids that an earlier job of this thread has greeted."""

    last_episode: int
    agent_id: str
    lease_epoch: int = 0
    greeted: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RoomConnected(Event):
    """The agent is connected; these humans were there before it."""

    humans: tuple[Human, ...] = ()


@dataclass(frozen=True, slots=True)
class RoomReconnected(Event):
    """The agent's connection came back, resumed or in full. Joins and leaves in between were not reported."""

    full: bool = False


@dataclass(frozen=True, slots=True)
class RoomDisconnected(Event):
    """The agent is out of the room for good."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class AudioPublished(Event):
    """The agent's audio track is published."""


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
    """The complete set of humans present now, in order of arrival. Answers `Rescan`; allowed at any time."""

    humans: tuple[Human, ...]


@dataclass(frozen=True, slots=True)
class ListenerSubscribed(Event):
    """This human hears the agent's track. Without a sid: some human does, and the SFU did not say which."""

    sid: str | None = None


@dataclass(frozen=True, slots=True)
class SpeakerChanged(Event):
    """This human speaks now; the agent should listen to them."""

    sid: str


# --- memory ---


@dataclass(frozen=True, slots=True)
class MemoryLoaded(EpisodeEvent):
    """Ends a `LoadMemory`. Not fresh: the loader fell back to a kept snapshot."""

    fresh: bool = True


@dataclass(frozen=True, slots=True)
class MemoryLoadFailed(EpisodeEvent):
    """Ends a `LoadMemory`. The agent continues with a snapshot if there is one."""

    code: str
    has_snapshot: bool


@dataclass(frozen=True, slots=True)
class SyncFinished(Event):
    """Memory in Letta was compared with the loaded one. `changed`: the loaded one is out of date."""

    changed: bool = True


# --- reset ---


@dataclass(frozen=True, slots=True)
class ResetRequested(Event):
    reason: str = "manual"


@dataclass(frozen=True, slots=True)
class SwitchAgentRequested(Event):
    """Another assistant is to answer in this room. A reset carries it out, as soon as one is safe."""

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
    """The greeting was spoken or interrupted, or is switched off."""


@dataclass(frozen=True, slots=True)
class GreetingFailed(EpisodeEvent):
    code: str


@dataclass(frozen=True, slots=True)
class TurnStarted(EpisodeEvent):
    turn_id: str
    session_id: str = ""
    """The speaker's session, which is not always the job's."""


@dataclass(frozen=True, slots=True)
class TurnFinished(EpisodeEvent):
    """The turn is committed to the outbox, or was given up with a notice."""

    turn_id: str
    session_id: str = ""
    """The speaker's session, which is not always the job's."""


# --- time, lease, end ---


@dataclass(frozen=True, slots=True)
class TimerFired(EpisodeEvent):
    """Echoes a `StartTimer`; the serial distinguishes it from an earlier start of the same timer."""

    timer: Timer
    serial: int


@dataclass(frozen=True, slots=True)
class LeaseLost(Event):
    """The lease was revoked or taken by another job."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class DrainRequested(Event):
    """The worker is stopping: leave an empty room at once, else after the visit, within a limit."""


@dataclass(frozen=True, slots=True)
class ShutdownRequested(Event):
    """Leave at once."""

    reason: str = "shutdown"


@dataclass(frozen=True, slots=True)
class Failure(Event):
    """An error that this job cannot recover from."""

    code: str
    message: str = ""
