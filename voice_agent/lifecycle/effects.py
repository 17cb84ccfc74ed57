"""Effects of the lifecycle machine. The driver performs them in order; each carries the episode it belongs to."""

from __future__ import annotations

from dataclasses import dataclass

from voice_agent.lifecycle.events import TimerFired
from voice_agent.lifecycle.states import Human, Memory, ResetOutcome, State, Timer


@dataclass(frozen=True, slots=True)
class Effect:
    episode: int


@dataclass(frozen=True, slots=True)
class LoadMemory(Effect):
    """Load the bound agent's memory within its deadline → `MemoryLoaded` or `MemoryLoadFailed`."""

    agent_id: str


@dataclass(frozen=True, slots=True)
class StopSpeech(Effect):
    """Interrupt current and pending speech → `SpeechStopped`."""


@dataclass(frozen=True, slots=True)
class CancelEpisodeTasks(Effect):
    """Cancel every task of the episode, await each → `TasksEnded`."""


@dataclass(frozen=True, slots=True)
class ClearHistory(Effect):
    """Clear local history and chat context → `HistoryCleared`."""


@dataclass(frozen=True, slots=True)
class RebindAgent(Effect):
    """Let this agent answer from now on. Comes after the history is cleared and before its memory is loaded."""

    agent_id: str


@dataclass(frozen=True, slots=True)
class AcknowledgeReset(Effect):
    """Answer all requests that wait for a reset."""

    outcome: ResetOutcome
    seconds: float


@dataclass(frozen=True, slots=True)
class StartTimer(Effect):
    """Tell the machine `fired()` after `seconds`. Starting a running timer replaces it."""

    timer: Timer
    seconds: float
    serial: int

    def fired(self) -> TimerFired:
        return TimerFired(self.episode, self.timer, self.serial)


@dataclass(frozen=True, slots=True)
class CancelTimer(Effect):
    timer: Timer


@dataclass(frozen=True, slots=True)
class LinkTo(Effect):
    """Listen to this human, even if the audio input is linked to them already (a new connection has new tracks)."""

    human: Human


@dataclass(frozen=True, slots=True)
class Greet(Effect):
    """Speak the greeting of this visit → `GreetingFinished` or `GreetingFailed`. Must not block listening."""

    human: Human


@dataclass(frozen=True, slots=True)
class Resume(Effect):
    """Continue the conversation: restore the history that the last reset cleared. Nothing is spoken."""

    human: Human


@dataclass(frozen=True, slots=True)
class AcknowledgeArrival(Effect):
    """Send a notice that a human joined a running conversation. Nothing is spoken."""

    human: Human


@dataclass(frozen=True, slots=True)
class AllowReflection(Effect):
    """Allow the reflection of what was said so far: the conversation is quiet."""


@dataclass(frozen=True, slots=True)
class Rescan(Effect):
    """List the humans present → `HumansScanned`."""


@dataclass(frozen=True, slots=True)
class AnnounceState(Effect):
    """Publish the current state as participant attributes."""

    state: State
    memory: Memory
    ready: bool
    agent_id: str
    lease_epoch: int
    error: str


@dataclass(frozen=True, slots=True)
class LeaveRoom(Effect):
    """Disconnect and end the job → `RoomDisconnected`. `StopSpeech` and `CancelEpisodeTasks` precede it: await them."""

    reason: str


@dataclass(frozen=True, slots=True)
class Dropped(Effect):
    """An event came too late and has no effect. For the log."""

    event: str
    of_episode: int
    reason: str
