"""What reaches the agent from outside: typed words and remote calls of people (untrusted), orders of our own server."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any, Final

from livekit import rtc
from livekit.rtc.data_stream import StreamError

from voice_agent.contracts import CONTROL_TOPIC, AgentBinding, ControlMessage, Notice, Rpc, Topic
from voice_agent.conversation.assistant import VoiceAssistant
from voice_agent.conversation.room_events import as_human, humans_in
from voice_agent.conversation.tasks import OwnedTasks
from voice_agent.errors import Code
from voice_agent.lifecycle.events import DrainRequested, ResetRequested
from voice_agent.prompt_text import plain
from voice_agent.rooms.orders import unseal

MAX_TEXT: Final = 4_000
"""Characters of one typed message."""
MAX_WAITING: Final = 4
"""Typed messages of one sender that may wait at once; more are refused."""
MAX_IN_ALL: Final = 32
WHOLE_WITHIN: Final = 20.0
"""Seconds from the first character of a typed message to its last one."""
RESET_EVERY: Final = 2.0
"""Seconds between two resets that one person asks for."""
_REFUSAL_EVERY: Final = 1.0
"""A flood is answered once a second, not a thousand times."""


class ClientMessages:
    """Nothing here can end an agent: people may talk and start over, only the server may send it away."""

    def __init__(self, room: rtc.Room, assistant: VoiceAssistant, tasks: OwnedTasks, secret: str) -> None:
        self._room = room
        self._assistant = assistant
        self._tasks = tasks
        self._secret = secret
        self._refused_at = float("-inf")
        self._waiting: Counter[str] = Counter()
        self._reset_at: dict[str, float] = {}

    def attach(self) -> None:
        self._room.register_text_stream_handler(Topic.CHAT, self._on_text)
        self._room.on("data_received", self._on_data)
        participant = self._room.local_participant
        participant.register_rpc_method(Rpc.STATUS, self._status)
        participant.register_rpc_method(Rpc.RESET, self._reset)

    def detach(self) -> None:
        self._room.unregister_text_stream_handler(Topic.CHAT)
        self._room.off("data_received", self._on_data)
        participant = self._room.local_participant
        participant.unregister_rpc_method(Rpc.STATUS)
        participant.unregister_rpc_method(Rpc.RESET)

    def _on_text(self, reader: rtc.TextStreamReader, identity: str) -> None:
        sender = self._room.remote_participants.get(identity)
        if sender is None or as_human(sender) is None:
            return
        if self._waiting[identity] >= MAX_WAITING or len(self._tasks) >= MAX_IN_ALL:
            self._refuse("Too many messages at once.", "Wait for the answer.")
            return
        self._waiting[identity] += 1
        taken = self._tasks.start("typed", self._take_text(reader, identity))
        taken.add_done_callback(lambda _: self._no_longer_waiting(identity))

    def _no_longer_waiting(self, identity: str) -> None:
        self._waiting[identity] -= 1
        if not self._waiting[identity]:
            del self._waiting[identity]

    async def _take_text(self, reader: rtc.TextStreamReader, identity: str) -> None:
        text = await self._whole(reader)
        if text and not await self._assistant.hear_text(text, identity):
            self._refuse("The assistant does not listen yet.", "Send it again in a moment.")

    async def _whole(self, reader: rtc.TextStreamReader) -> str:
        """Empty: the sender gave it up, or it is refused."""
        text = ""
        try:
            async with asyncio.timeout(WHOLE_WITHIN):
                async for chunk in reader:
                    text += chunk
                    if len(text) > MAX_TEXT:
                        self._refuse(f"The message is longer than {MAX_TEXT} characters.", "Send it in parts.")
                        return ""
        except StreamError:  # the sender went away, or sent something else than it had announced
            return ""
        except TimeoutError:
            self._refuse(f"A message was not finished within {WHOLE_WITHIN:g} s.", "Send it again.")
            return ""
        return plain(text).strip()

    def _refuse(self, message: str, remedy: str) -> None:
        if time.monotonic() - self._refused_at < _REFUSAL_EVERY:
            return
        self._refused_at = time.monotonic()
        self._assistant.notify(Notice(level="warning", code=Code.BAD_CLIENT_MESSAGE, message=message, remedy=remedy))

    def _on_data(self, packet: rtc.DataPacket) -> None:
        """What people send on any topic is not for us, and orders are sealed."""
        if packet.participant is not None or packet.topic != CONTROL_TOPIC:
            return
        order = unseal(packet.data, self._room.name, self._secret)
        match order:
            case ControlMessage(act="reset"):
                self._assistant.tell(ResetRequested("ordered"))
            case ControlMessage(act="drain"):
                self._assistant.tell(DrainRequested())
            case ControlMessage(act="switch_agent", agent=AgentBinding() as agent):
                self._assistant.switch_agent(agent)

    async def _status(self, _: Any) -> str:
        return self._assistant.status().model_dump_json()

    async def _reset(self, call: rtc.RpcInvocationData) -> str:
        asked_at = self._reset_at.get(call.caller_identity, float("-inf"))
        if time.monotonic() - asked_at < RESET_EVERY:
            raise rtc.RpcError(rtc.RpcError.ErrorCode.APPLICATION_ERROR, f"Once in {RESET_EVERY:g} s is enough.")
        if len(humans_in(self._room)) > 1:
            raise rtc.RpcError(rtc.RpcError.ErrorCode.APPLICATION_ERROR, "Others are in the conversation, too.")
        self._reset_at = {call.caller_identity: time.monotonic()}
        return (await self._assistant.reset_for_reconnect("asked_by_client")).model_dump_json()
