"""Room events become lifecycle events here, and nowhere else. Humans are told by participant kind, never by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from livekit import rtc

from voice_agent.lifecycle import events as ev
from voice_agent.lifecycle.states import Human

HUMAN_KINDS: Final = {
    rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD: "standard",
    rtc.ParticipantKind.PARTICIPANT_KIND_SIP: "sip",
    rtc.ParticipantKind.PARTICIPANT_KIND_CONNECTOR: "connector",
}


def humans_in(room: rtc.Room) -> tuple[Human, ...]:
    return tuple(human for p in room.remote_participants.values() if (human := as_human(p)) is not None)


def already_active(room: rtc.Room) -> tuple[str, ...]:
    """Humans whose transport was up before we came."""
    active = rtc.ParticipantState.PARTICIPANT_STATE_ACTIVE
    return tuple(p.sid for p in room.remote_participants.values() if as_human(p) and p.state == active)


def as_human(participant: rtc.RemoteParticipant) -> Human | None:
    kind = HUMAN_KINDS.get(participant.kind)
    return Human(participant.sid, participant.identity, kind, participant.name or "") if kind else None


class RoomEvents:
    """While attached, every change in the room is told to the machine."""

    def __init__(self, room: rtc.Room, tell: Callable[[ev.Event], None]) -> None:
        self._room = room
        self._tell = tell
        self._handlers: dict[str, Callable[..., Any]] = {
            "participant_connected": self._joined,
            "participant_disconnected": self._left,
            "participant_active": self._active,
            "local_track_published": lambda *_: tell(ev.AudioPublished()),
            "local_track_subscribed": lambda *_: tell(ev.ListenerSubscribed()),
            "active_speakers_changed": self._speakers,
            "reconnected": lambda: tell(ev.RoomReconnected()),
            "disconnected": self._disconnected,
        }

    def attach(self) -> None:
        for name, handler in self._handlers.items():
            self._room.on(name, handler)  # type: ignore[arg-type]

    def detach(self) -> None:
        for name, handler in self._handlers.items():
            self._room.off(name, handler)  # type: ignore[arg-type]

    def _joined(self, participant: rtc.RemoteParticipant) -> None:
        if human := as_human(participant):
            self._tell(ev.HumanJoined(human))

    def _left(self, participant: rtc.RemoteParticipant) -> None:
        if as_human(participant):
            reason = rtc.DisconnectReason.Name(participant.disconnect_reason or rtc.DisconnectReason.UNKNOWN_REASON)
            self._tell(ev.HumanLeft(participant.sid, reason.lower()))

    def _active(self, participant: rtc.RemoteParticipant) -> None:
        """The participant's transport is up: from here on it hears what it is subscribed to."""
        if as_human(participant):
            self._tell(ev.ListenerSubscribed(participant.sid))

    def _speakers(self, speakers: list[rtc.Participant]) -> None:
        for speaker in speakers:
            if isinstance(speaker, rtc.RemoteParticipant) and as_human(speaker):
                self._tell(ev.SpeakerChanged(speaker.sid))
                return

    def _disconnected(self, reason: rtc.DisconnectReason.ValueType) -> None:
        self._tell(ev.RoomDisconnected(rtc.DisconnectReason.Name(reason).lower()))
