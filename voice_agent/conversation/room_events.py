"""Translation of room events to lifecycle events, in one place. Humans are known by participant kind, not by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from livekit import rtc

from voice_agent.conversation.callers import Callers, as_human
from voice_agent.conversation.driver import Driver
from voice_agent.lifecycle import events as ev

_ACTIVE: Final = rtc.ParticipantState.PARTICIPANT_STATE_ACTIVE


class RoomEvents:
    """Handlers that, while attached, tell the machine every change in the room, of humans only callers."""

    def __init__(self, room: rtc.Room, callers: Callers, driver: Driver) -> None:
        self._room = room
        self._callers = callers
        self._driver = driver
        callers.attach(self)
        self._handlers: dict[str, Callable[..., Any]] = {
            "participant_connected": callers.joined,
            "participant_disconnected": self._left,
            "participant_active": self._active,
            "track_published": self._published,
            "local_track_published": self._own_track_published,
            "local_track_subscribed": self._own_track_subscribed,
            "active_speakers_changed": self._speakers,
            "reconnected": self._reconnected,
            "disconnected": self._disconnected,
        }

    def attach(self) -> None:
        for name, handler in self._handlers.items():
            self._room.on(name, handler)  # type: ignore[arg-type]
        self._callers.scan()

    def detach(self) -> None:
        for name, handler in self._handlers.items():
            self._room.off(name, handler)  # type: ignore[arg-type]

    def admitted(self, participant: rtc.RemoteParticipant) -> None:
        for publication in participant.track_publications.values():
            _subscribe(publication)
        if human := as_human(participant):
            self._driver.tell(ev.HumanJoined(human))
        if participant.state == _ACTIVE:
            self._driver.tell(ev.ListenerSubscribed(participant.sid))

    def _published(self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant) -> None:
        if self._callers.has(participant):
            _subscribe(publication)

    def _left(self, participant: rtc.RemoteParticipant) -> None:
        if self._callers.left(participant):
            reason = rtc.DisconnectReason.Name(participant.disconnect_reason or rtc.DisconnectReason.UNKNOWN_REASON)
            self._driver.tell(ev.HumanLeft(participant.sid, reason.lower()))

    def _active(self, participant: rtc.RemoteParticipant) -> None:
        """The participant's transport is up: from here on it hears what it is subscribed to."""
        if self._callers.has(participant):
            self._driver.tell(ev.ListenerSubscribed(participant.sid))

    def _speakers(self, speakers: list[rtc.Participant]) -> None:
        for speaker in speakers:
            if isinstance(speaker, rtc.RemoteParticipant) and self._callers.has(speaker):
                self._driver.tell(ev.SpeakerChanged(speaker.sid))
                return

    def _own_track_published(self, *_: Any) -> None:
        self._driver.tell(ev.AudioPublished())

    def _own_track_subscribed(self, *_: Any) -> None:
        self._driver.tell(ev.ListenerSubscribed())

    def _reconnected(self) -> None:
        self._driver.tell(ev.RoomReconnected())

    def _disconnected(self, reason: rtc.DisconnectReason.ValueType) -> None:
        self._driver.tell(ev.RoomDisconnected(rtc.DisconnectReason.Name(reason).lower()))


def _subscribe(publication: rtc.RemoteTrackPublication) -> None:
    """Subscribe to audio only."""
    if publication.kind == rtc.TrackKind.KIND_AUDIO:
        publication.set_subscribed(True)
