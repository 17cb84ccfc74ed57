"""What people in the room may ask of the agent: typed words and two remote calls. All of it is untrusted."""

from __future__ import annotations

from typing import Any, Final

from livekit import rtc

from voice_agent.contracts import Notice, Rpc, Topic
from voice_agent.conversation.assistant import VoiceAssistant
from voice_agent.conversation.room_events import as_human
from voice_agent.conversation.tasks import OwnedTasks
from voice_agent.errors import Code

MAX_TEXT: Final = 4_000
"""Characters of one typed message."""
_MAX_WAITING: Final = 4
"""Typed messages that may wait at once; more are refused."""


class ClientMessages:
    def __init__(self, room: rtc.Room, assistant: VoiceAssistant, tasks: OwnedTasks) -> None:
        self._room = room
        self._assistant = assistant
        self._tasks = tasks

    def attach(self) -> None:
        self._room.register_text_stream_handler(Topic.CHAT, self._on_text)
        participant = self._room.local_participant
        participant.register_rpc_method(Rpc.STATUS, self._status)
        participant.register_rpc_method(Rpc.RESET, self._reset)

    def detach(self) -> None:
        self._room.unregister_text_stream_handler(Topic.CHAT)

    def _on_text(self, reader: rtc.TextStreamReader, identity: str) -> None:
        sender = self._room.remote_participants.get(identity)
        if sender is None or as_human(sender) is None:
            return
        if len(self._tasks) >= _MAX_WAITING:
            self._refuse("Too many messages at once.", "Wait for the answer.")
            return
        self._tasks.start("typed", self._take_text(reader, identity))

    async def _take_text(self, reader: rtc.TextStreamReader, identity: str) -> None:
        text = ""
        async for chunk in reader:
            text += chunk
            if len(text) > MAX_TEXT:
                self._refuse(f"The message is longer than {MAX_TEXT} characters.", "Send it in parts.")
                return
        if text.strip():
            await self._assistant.hear_text(text.strip(), identity)

    def _refuse(self, message: str, remedy: str) -> None:
        self._assistant.notify(Notice(level="warning", code=Code.BAD_CLIENT_MESSAGE, message=message, remedy=remedy))

    async def _status(self, _: Any) -> str:
        return self._assistant.status().model_dump_json()

    async def _reset(self, _: Any) -> str:
        return (await self._assistant.reset_for_reconnect("asked_by_client")).model_dump_json()
