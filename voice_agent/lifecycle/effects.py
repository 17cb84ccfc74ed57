"""Everything the machine can ask for. The driver performs effects in order; each carries the episode it belongs to."""

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
    """Interrupt whatever is said or about to be said → `SpeechStopped`."""


@dataclass(frozen=True, slots=True)
class CancelEpisodeTasks(Effect):
    """Cancel every task of the episode, await each → `TasksEnded`."""


@dataclass(frozen=True, slots=True)
class ClearHistory(Effect):
    """Forget local history and chat context → `HistoryCleared`."""


@dataclass(frozen=True, slots=True)
class RebindAgent(Effect):
    """From here on this agent answers. Comes after the history is clear and before its memory is loaded."""

    agent_id: str


@dataclass(frozen=True, slots=True)
class AcknowledgeReset(Effect):
    """Answer everybody who waits for a reset."""

    outcome: ResetOutcome
    seconds: float


@dataclass(frozen=True, slots=True)
class StartTimer(Effect):
    """In `seconds`, hand back `fired()`. Starting a running timer replaces it."""

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
    """The same conversation goes on: put the history back that the last reset cleared. Nothing is spoken."""

    human: Human


@dataclass(frozen=True, slots=True)
class AcknowledgeArrival(Effect):
    """Somebody joined a conversation that goes on: a caption, nothing spoken."""

    human: Human


@dataclass(frozen=True, slots=True)
class AllowReflection(Effect):
    """A quiet moment: Letta may work what was said so far into its memory."""


@dataclass(frozen=True, slots=True)
class Rescan(Effect):
    """List who is here → `HumansScanned`."""


@dataclass(frozen=True, slots=True)
class AnnounceState(Effect):
    """Publish what is true now as participant attributes."""

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
    """An event was too late to matter and changed nothing. For the log."""

    event: str
    of_episode: int
    reason: str
