"""Transition table of the lifecycle. It is the only place that decides which state follows.

An assistant lives in one room for the length of one job. Its life is a sequence of *visits*: a person arrives in the
empty room, talks, leaves. After a visit the assistant is reset in place (same job, same room, same track), in the state
RESETTING. An *episode* is the time between two resets; everything that begins in an episode carries its number.

    STARTING          the job runs; not connected, memory perhaps not loaded
    LOADING_MEMORY    connected; the memory or the audio track is missing
    READY             prepared, no human in the room
    ENGAGED           prepared, at least one human in the room
    RESETTING         stop, await, clear, raise the episode, load again
    DRAINING          leaving; if the worker drains while a human is present, only after the visit
    CLOSED            out of the room
    FAILED            failed, leaving

Four rules shape the table.

*A trigger is an event together with the state data.* "A human left" is one event but two triggers, because it matters
whether others remain. `state_data.apply()` finds the trigger; what depends on data is decided there, so that a cell
here is simply the next state.

*A missing cell is an error.* The machine raises `IllegalTransition` and is unchanged. A late event is not an error:
results of older episodes and cancelled timers never reach the table, the machine drops and logs them.

*A lost connection does not end a conversation.* A human who was greeted, was lost without having left, and is back
within two minutes before another human comes, gets the history of that conversation and no second greeting
(`absence.py`). The reset in between is the usual one. A client that replaces a broken connection reports that it
leaves, like a person who leaves. Its token tells the two apart: it names the *call*, one press of "connect", and a
human who is back with the same call has not left.

*Leaving is always allowed.* Lease lost, shutdown, failure and disconnection have a cell in every state that is alive.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from voice_agent.lifecycle.states import State


class Trigger(StrEnum):
    # start
    JOB_STARTED = "job started"
    ROOM_CONNECTED = "room connected"
    ROOM_RECONNECTED = "room reconnected"
    ROOM_DISCONNECTED = "room disconnected"
    AUDIO_PUBLISHED = "audio published"
    MEMORY_SETTLED = "memory loaded or failed"
    PREPARED_EMPTY = "prepared, nobody here"
    PREPARED_OCCUPIED = "prepared, somebody here"
    PREPARED_FOR_SWITCH = "prepared, but another agent is wanted"
    START_OVERDUE = "start overdue"
    # humans
    FIRST_HUMAN = "first human joined"
    HUMANS_CHANGED = "humans changed, some stayed"
    HUMANS_REPLACED = "all humans replaced"
    LAST_HUMAN_LEFT = "last human left"
    LISTENER_SUBSCRIBED = "listener subscribed"
    SPEAKER_CHANGED = "speaker changed"
    # conversation
    GREETING_WAITED = "greeting waited long enough"
    GREETING_ENDED = "greeting ended"
    TURN_STARTED = "turn started"
    TURN_FINISHED = "turn finished"
    QUIET = "quiet"
    SYNC_CHANGED = "sync started or finished"
    MEMORY_RETRY = "memory retry due"
    # reset
    RESET_REQUESTED = "reset requested"
    SWITCH_REQUESTED = "switch requested"
    TEARDOWN_STEP = "part of the teardown done"
    EPISODE_STOPPED = "speech and tasks ended"
    TORN_DOWN = "history cleared"
    TEARDOWN_LATE = "teardown late"
    TEARDOWN_STUCK = "teardown stuck"
    # end
    DEPARTURE_DUE = "nobody came back"
    LEASE_LOST = "lease lost"
    DRAIN_REQUESTED = "drain requested"
    DRAIN_OVERDUE = "drain overdue"
    SHUTDOWN = "shutdown"
    FAILURE = "failure"
    # other
    NOTHING_NEW = "nothing new"
    CONTRADICTION = "contradicts the state data"
    """In no row: an event that cannot be true, such as the end of a load that was not begun."""


_T, _S = Trigger, State

_ALIVE: Final = {
    _T.ROOM_DISCONNECTED: _S.CLOSED,
    _T.LEASE_LOST: _S.DRAINING,
    _T.SHUTDOWN: _S.DRAINING,
    _T.FAILURE: _S.FAILED,
}


def _stay(state: State, *triggers: Trigger) -> dict[Trigger, State]:
    return dict.fromkeys(triggers, state)


_COMING_UP: Final = {
    **_ALIVE,
    _T.PREPARED_EMPTY: _S.READY,
    _T.PREPARED_OCCUPIED: _S.ENGAGED,
    _T.PREPARED_FOR_SWITCH: _S.RESETTING,
    _T.START_OVERDUE: _S.FAILED,
    _T.DRAIN_REQUESTED: _S.DRAINING,
}

_PASSING: Final = (
    # Triggers that change no state while the assistant starts, resets or leaves.
    _T.NOTHING_NEW,
    _T.AUDIO_PUBLISHED,
    _T.MEMORY_SETTLED,
    _T.FIRST_HUMAN,
    _T.HUMANS_CHANGED,
    _T.HUMANS_REPLACED,
    _T.LAST_HUMAN_LEFT,
    _T.LISTENER_SUBSCRIBED,
    _T.SYNC_CHANGED,
    _T.RESET_REQUESTED,
    _T.SWITCH_REQUESTED,
)

_LATE: Final = (
    # Triggers that an agent accepts without effect while it leaves.
    *_PASSING,
    _T.JOB_STARTED,
    _T.ROOM_CONNECTED,
    _T.ROOM_RECONNECTED,
    _T.SPEAKER_CHANGED,
    _T.GREETING_ENDED,
    _T.TURN_STARTED,
    _T.TURN_FINISHED,
    _T.TEARDOWN_STEP,
    _T.LEASE_LOST,
    _T.DRAIN_REQUESTED,
    _T.SHUTDOWN,
)

_ROWS: Final[dict[State, dict[Trigger, State]]] = {
    _S.STARTING: {
        **_stay(_S.STARTING, *_PASSING, _T.JOB_STARTED),
        **_COMING_UP,
        _T.ROOM_CONNECTED: _S.LOADING_MEMORY,
    },
    _S.LOADING_MEMORY: {
        **_stay(_S.LOADING_MEMORY, *_PASSING, _T.ROOM_RECONNECTED, _T.SPEAKER_CHANGED),
        **_COMING_UP,
    },
    _S.READY: {
        **_stay(_S.READY, _T.NOTHING_NEW, _T.AUDIO_PUBLISHED, _T.MEMORY_SETTLED, _T.MEMORY_RETRY, _T.SYNC_CHANGED),
        **_stay(_S.READY, _T.ROOM_RECONNECTED, _T.LISTENER_SUBSCRIBED),
        **_ALIVE,
        _T.FIRST_HUMAN: _S.ENGAGED,
        _T.RESET_REQUESTED: _S.RESETTING,
        _T.SWITCH_REQUESTED: _S.RESETTING,
        _T.DEPARTURE_DUE: _S.DRAINING,
        _T.DRAIN_REQUESTED: _S.DRAINING,
    },
    _S.ENGAGED: {
        **_stay(_S.ENGAGED, _T.NOTHING_NEW, _T.AUDIO_PUBLISHED, _T.MEMORY_SETTLED, _T.MEMORY_RETRY, _T.SYNC_CHANGED),
        **_stay(_S.ENGAGED, _T.ROOM_RECONNECTED, _T.LISTENER_SUBSCRIBED),
        **_stay(_S.ENGAGED, _T.HUMANS_CHANGED, _T.SPEAKER_CHANGED, _T.GREETING_WAITED, _T.GREETING_ENDED),
        **_stay(_S.ENGAGED, _T.TURN_STARTED, _T.TURN_FINISHED, _T.QUIET),
        **_ALIVE,
        _T.LAST_HUMAN_LEFT: _S.RESETTING,
        _T.HUMANS_REPLACED: _S.RESETTING,
        _T.RESET_REQUESTED: _S.RESETTING,
        _T.SWITCH_REQUESTED: _S.RESETTING,
        _T.DRAIN_REQUESTED: _S.DRAINING,
    },
    _S.RESETTING: {
        **_stay(_S.RESETTING, *_PASSING, _T.ROOM_RECONNECTED, _T.SPEAKER_CHANGED),
        **_stay(_S.RESETTING, _T.GREETING_ENDED, _T.TURN_STARTED, _T.TURN_FINISHED),
        **_stay(_S.RESETTING, _T.TEARDOWN_STEP, _T.EPISODE_STOPPED, _T.TORN_DOWN, _T.TEARDOWN_LATE),
        **_COMING_UP,
        _T.TEARDOWN_STUCK: _S.FAILED,
    },
    _S.DRAINING: {
        **_stay(_S.DRAINING, *_LATE, _T.GREETING_WAITED, _T.QUIET, _T.MEMORY_RETRY, _T.DRAIN_OVERDUE),
        _T.ROOM_DISCONNECTED: _S.CLOSED,
        _T.FAILURE: _S.FAILED,
    },
    _S.FAILED: {
        **_stay(_S.FAILED, *_LATE, _T.FAILURE),
        _T.ROOM_DISCONNECTED: _S.CLOSED,
    },
    _S.CLOSED: _stay(_S.CLOSED, *_LATE, _T.FAILURE, _T.ROOM_DISCONNECTED),
}
# START_OVERDUE belongs to the start alone; a reset has TEARDOWN_STUCK.
del _ROWS[_S.RESETTING][_T.START_OVERDUE]

TRANSITIONS: Final[Mapping[State, Mapping[Trigger, State]]] = MappingProxyType(
    {state: MappingProxyType(row) for state, row in _ROWS.items()}
)
