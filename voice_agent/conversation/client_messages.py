"""Messages to the agent: typed text and RPCs of clients (untrusted), signed messages of the server."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from livekit import rtc
from livekit.rtc.data_stream import StreamError

from voice_agent.contracts import CONTROL_TOPIC, AgentBinding, ControlMessage, Notice, Rpc, Topic
from voice_agent.conversation.assistant import VoiceAssistant
from voice_agent.conversation.tasks import OwnedTasks
from voice_agent.errors import Code
from voice_agent.lifecycle.events import DrainRequested, ResetRequested
from voice_agent.prompt_text import plain
from voice_agent.rooms.signed_messages import verify

MAX_TEXT: Final = 4_000
"""Characters of one typed message."""
MAX_WAITING: Final = 4
"""Typed messages of one sender that may wait at once; more are refused."""
MAX_IN_ALL: Final = 32
MAX_TYPED: Final = 10
TYPED_WITHIN: Final = 10.0
"""At most MAX_TYPED messages of one sender are taken in TYPED_WITHIN seconds; each of them is a turn."""
WHOLE_WITHIN: Final = 20.0
"""Seconds from the first character of a typed message to its last one."""
RESET_EVERY: Final = 2.0
"""Seconds between two resets that one participant asks for."""
_REFUSAL_EVERY: Final = 1.0
"""Seconds between two refusals to one sender, so that not every message of a flood is answered."""


class PerSender:
    """Rate limit of each sender."""

    def __init__(self, most: int, within: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._within = within
        self._clock = clock
        self._done: dict[str, list[float]] = {}

    def take(self, sender: str) -> bool:
        """False: the sender has reached the limit."""
        now = self._clock()
        recent = {who: [at for at in times if now - at < self._within] for who, times in self._done.items()}
        self._done = {who: times for who, times in recent.items() if times}
        mine = self._done.setdefault(sender, [])
        if len(mine) >= self._most:
            return False
        mine.append(now)
        return True


class ClientMessages:
    """Handlers of messages. Clients can talk and reset, but not end an agent: only the server can."""

    def __init__(self, room: rtc.Room, assistant: VoiceAssistant, tasks: OwnedTasks, secret: str) -> None:
        self._room = room
        self._assistant = assistant
        self._tasks = tasks
        self._secret = secret
        self._waiting: Counter[str] = Counter()
        self._typed = PerSender(MAX_TYPED, TYPED_WITHIN)
        self._refusals = PerSender(1, _REFUSAL_EVERY)
        self._resets = PerSender(1, RESET_EVERY)

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
        many = self._waiting[identity] >= MAX_WAITING or len(self._tasks) >= MAX_IN_ALL
        if many or not self._typed.take(identity):
            reader.close()  # a stream that is not read to its end stays subscribed for ever
            self._refuse(identity, "Too many messages at once.", "Wait for the answer.")
            return
        self._waiting[identity] += 1
        taken = self._tasks.start("typed", self._take_text(reader, identity))
        taken.add_done_callback(lambda _: self._no_longer_waiting(reader, identity))

    def _no_longer_waiting(self, reader: rtc.TextStreamReader, identity: str) -> None:
        reader.close()
        self._waiting[identity] -= 1
        if not self._waiting[identity]:
            del self._waiting[identity]

    async def _take_text(self, reader: rtc.TextStreamReader, identity: str) -> None:
        if not await self._assistant.callers.let_in(identity):
            return
        text = await self._whole(reader, identity)
        if text and not await self._assistant.turns.typed(text, identity):
            self._refuse(identity, "The assistant does not listen yet.", "Send it again in a moment.")

    async def _whole(self, reader: rtc.TextStreamReader, identity: str) -> str:
        """Empty: the sender aborted it, or it is refused."""
        text = ""
        try:
            async with asyncio.timeout(WHOLE_WITHIN):
                async for chunk in reader:
                    text += chunk
                    if len(text) > MAX_TEXT:
                        self._refuse(
                            identity, f"The message is longer than {MAX_TEXT} characters.", "Send it in parts."
                        )
                        return ""
        except StreamError:  # the sender went away, or sent something else than it had announced
            return ""
        except TimeoutError:
            self._refuse(identity, f"A message was not finished within {WHOLE_WITHIN:g} s.", "Send it again.")
            return ""
        return plain(text).strip()

    def _refuse(self, identity: str, message: str, remedy: str) -> None:
        """Tell the sender only."""
        if self._assistant.callers.is_here(identity) and self._refusals.take(identity):
            notice = Notice(level="warning", code=Code.BAD_CLIENT_MESSAGE, message=message, remedy=remedy)
            self._assistant.supervision.notices.notify(notice, to=identity)

    def _on_data(self, packet: rtc.DataPacket) -> None:
        """Only signed messages of the server are taken: data of participants is ignored on every topic."""
        if packet.participant is not None or packet.topic != CONTROL_TOPIC:
            return
        order = verify(packet.data, self._room.name, self._secret)
        match order:
            case ControlMessage(act="reset"):
                self._assistant.tell(ResetRequested("ordered"))
            case ControlMessage(act="drain"):
                self._assistant.tell(DrainRequested())
            case ControlMessage(act="switch_agent", agent=AgentBinding() as agent):
                self._assistant.switch_agent(agent)

    async def _status(self, call: rtc.RpcInvocationData) -> str:
        await self._require_caller(call)
        return self._assistant.status().model_dump_json()

    async def _reset(self, call: rtc.RpcInvocationData) -> str:
        await self._require_caller(call)
        if len(self._assistant.callers.present()) > 1:
            raise _refused("Others are in the conversation, too.")
        if not self._resets.take(call.caller_identity):
            raise _refused(f"Once in {RESET_EVERY:g} s is enough.")
        return (await self._assistant.reset_for_reconnect("asked_by_client")).model_dump_json()

    async def _require_caller(self, call: rtc.RpcInvocationData) -> None:
        if not await self._assistant.callers.let_in(call.caller_identity):
            raise _refused("This session is over.")


def _refused(message: str) -> rtc.RpcError:
    return rtc.RpcError(rtc.RpcError.ErrorCode.APPLICATION_ERROR, message)
