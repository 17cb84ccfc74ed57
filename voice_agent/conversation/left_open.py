"""Open question of the previous agent in the same visit: a turn without an answer, or words that were not heard."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from livekit import rtc

from voice_agent.contracts import ReplyPath
from voice_agent.conversation.callers import as_human
from voice_agent.lifecycle.states import Human
from voice_agent.memory.model import Turn

ANSWERED_WITHIN: Final = 90.0
"""Seconds after which an open question is no longer answered: the person has asked again, or left."""


class LeftOpen:
    """Open question, from the start of a job until something else is said. Humans greeted before are in that visit."""

    def __init__(self, room: rtc.Room) -> None:
        self._room = room
        self._asked: Turn | None = None
        self._greeted: Collection[str] = ()
        self._spoke: set[str] = set()

    def begin(self, asked: Turn | None, greeted: Collection[str]) -> None:
        """Take over from the last job. Until `drop`, note who speaks: the session does not listen yet."""
        self._asked, self._greeted = asked, greeted
        if greeted:
            self._room.on("active_speakers_changed", self._speakers)

    def concerns(self, humans: Sequence[Human]) -> bool:
        return self._asker_of(humans) or any(human.sid in self._spoke for human in humans)

    def take(self, humans: Sequence[Human]) -> Turn | None:
        """The question, once, if the person who asked it is still there and it can be answered here."""
        asked = self._asked if self._asker_of(humans) else None
        self.drop()
        return asked if asked is not None and asked.path is ReplyPath.HYBRID else None  # Letta may hold it already

    def drop(self) -> None:
        """Something else was said, or the visit is over."""
        self._room.off("active_speakers_changed", self._speakers)
        self._asked, self._greeted = None, ()
        self._spoke.clear()

    def _asker_of(self, humans: Sequence[Human]) -> bool:
        asked = self._asked
        return asked is not None and any(h.identity == asked.speaker and h.sid in self._greeted for h in humans)

    def _speakers(self, speakers: list[rtc.Participant]) -> None:
        people = (one for one in speakers if isinstance(one, rtc.RemoteParticipant) and as_human(one))
        self._spoke |= {person.sid for person in people if person.sid in self._greeted}
