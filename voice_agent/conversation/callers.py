"""Callers: humans in the room whose session is live. LiveKit accepts a token until it expires, so sessions are checked.

A human who is no caller is not subscribed to, greeted or answered, and is removed. A token without a session comes from
another issuer (another system, a test), which has decided already: its holder is a caller.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import TYPE_CHECKING, Final, Protocol

from livekit import rtc

from voice_agent.contracts import HumanAttribute, LogEvent
from voice_agent.conversation.tasks import OwnedTasks
from voice_agent.errors import VoiceAgentError
from voice_agent.lifecycle.states import Human
from voice_agent.observe.log import BoundLog

if TYPE_CHECKING:
    from voice_agent.conversation.room_events import RoomEvents

HUMAN_KINDS: Final = {
    rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD: "standard",
    rtc.ParticipantKind.PARTICIPANT_KIND_SIP: "sip",
    rtc.ParticipantKind.PARTICIPANT_KIND_CONNECTOR: "connector",
}
_AGAIN_AFTER: Final = 0.5
_AT_MOST_AFTER: Final = 8.0
_TOLD_WITHIN: Final = 5.0
"""Seconds, because LiveKit reports a participant that publishes nothing seconds late."""


class Sessions(Protocol):
    """The sessions of the room."""

    async def all(self) -> frozenset[str]: ...

    async def over(self, session_ids: Collection[str]) -> frozenset[str]:
        """Which of these have ended."""

    async def remove(self, identity: str) -> None:
        """Remove a participant from the room."""


def as_human(participant: rtc.RemoteParticipant) -> Human | None:
    kind = HUMAN_KINDS.get(participant.kind)
    call = participant.attributes.get(HumanAttribute.CALL_ID, "")
    return Human(participant.sid, participant.identity, kind, participant.name or "", call) if kind else None


class Callers:
    """Look-ups of humans, one each when they join: one read of the database, while their media still connects."""

    def __init__(self, room: rtc.Room, sessions: Sessions, tasks: OwnedTasks, log: BoundLog) -> None:
        self._room = room
        self._sessions = sessions
        self._tasks = tasks
        self._log = log
        self._standing: dict[str, asyncio.Future[bool]] = {}
        """By sid. A future that is not done: not looked up yet."""
        self._live: set[str] = set()
        """Sessions that were live when they were looked up."""
        self._arrival = asyncio.Event()
        self._events: RoomEvents | None = None

    def attach(self, events: RoomEvents) -> None:
        """`events` is told of each human who becomes a caller."""
        self._events = events

    def present(self) -> tuple[Human, ...]:
        """The callers, in order of arrival."""
        return tuple(
            human
            for participant in self._room.remote_participants.values()
            if self.has(participant) and (human := as_human(participant)) is not None
        )

    def scan(self) -> tuple[Human, ...]:
        """`present`, when joins may have been missed: new participants are looked up."""
        for participant in self._room.remote_participants.values():
            self.joined(participant)
        return self.present()

    def has(self, participant: rtc.RemoteParticipant) -> bool:
        standing = self._standing.get(participant.sid)
        return standing is not None and standing.done() and standing.result()

    def is_here(self, identity: str) -> bool:
        participant = self._room.remote_participants.get(identity)
        return participant is not None and self.has(participant)

    async def let_in(self, identity: str) -> bool:
        """Wait until LiveKit reports the participant and the look-up ends: a message may arrive before both."""
        try:
            async with asyncio.timeout(_TOLD_WITHIN):
                while (participant := self._room.remote_participants.get(identity)) is None:
                    self._arrival.clear()
                    await self._arrival.wait()
        except TimeoutError:
            return False
        standing = self._standing.get(participant.sid)
        return standing is not None and await asyncio.shield(standing)

    def joined(self, participant: rtc.RemoteParticipant) -> None:
        """Called once or more; `RoomEvents.admitted` follows once, or never."""
        if participant.sid in self._standing or as_human(participant) is None:
            return
        self._standing[participant.sid] = asyncio.get_running_loop().create_future()
        self._arrival.set()
        session = participant.attributes.get(HumanAttribute.SESSION_ID, "")
        if session:
            self._start_look_up(participant, session)
        else:
            self._decide(participant, live=True)

    def left(self, participant: rtc.RemoteParticipant) -> bool:
        """Whether it was a caller."""
        was = self.has(participant)
        standing = self._standing.pop(participant.sid, None)
        if standing is not None and not standing.done():
            standing.set_result(False)
        return was

    def _start_look_up(self, participant: rtc.RemoteParticipant, session: str, pause: float = 0.0) -> None:
        """Repeat until there is a decision: a human who is neither admitted nor removed waits in silence."""
        longer = min(max(2 * pause, _AGAIN_AFTER), _AT_MOST_AFTER)

        def again() -> None:
            standing = self._standing.get(participant.sid)
            if standing is not None and not standing.done():
                self._start_look_up(participant, session, longer)

        self._tasks.start("look-up", self._look_up(participant, session, pause), on_failure=again)

    async def _look_up(self, participant: rtc.RemoteParticipant, session: str, pause: float) -> None:
        await asyncio.sleep(pause)
        live = None
        while live is None and participant.sid in self._standing:
            try:
                live = session not in await self._sessions.over({session})
            except VoiceAgentError:
                # Without the database no session can be ended either; and the room-health monitor checks, too.
                live = True if session in self._live else None
                if live is None:
                    await asyncio.sleep(_AGAIN_AFTER)
        if live is None or not self._decide(participant, live=live) or live:
            return
        self._log.write(LogEvent.CALLER_REMOVED, identity=participant.identity, session_id=session)
        await self._sessions.remove(participant.identity)

    def _decide(self, participant: rtc.RemoteParticipant, *, live: bool) -> bool:
        """False: the participant has left meanwhile."""
        standing = self._standing.get(participant.sid)
        if standing is None:
            return False
        standing.set_result(live)
        if live:
            self._live.add(participant.attributes.get(HumanAttribute.SESSION_ID, ""))
            assert self._events is not None
            self._events.admitted(participant)
        return True
