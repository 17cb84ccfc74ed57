"""Recorder of turns: follows each from the human's last word to the assistant's last word, durable at both ends."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from livekit.agents import SpeechCreatedEvent, llm
from livekit.agents.voice import SpeechHandle

from voice_agent.contracts import AgentBinding, MemoryScope, ReplyPath
from voice_agent.conversation.reply_source import reply_path
from voice_agent.conversation.retries import while_temporary
from voice_agent.conversation.tasks import OwnedTasks
from voice_agent.memory.model import Turn, TurnState
from voice_agent.memory.outbox import Outbox

if TYPE_CHECKING:
    from voice_agent.conversation.turns import Turns


@dataclass(frozen=True, slots=True)
class TurnContext:
    """Where a turn belongs, and how it is answered and stored."""

    thread: str
    session_id: str
    letta_agent_id: str
    scope: MemoryScope
    path: ReplyPath
    person_id: str = ""
    """The speaker."""

    @classmethod
    def of(cls, agent: AgentBinding, thread: str, session_id: str, person_id: str) -> TurnContext:
        return cls(thread, session_id, agent.letta_agent_id, agent.memory_scope, reply_path(agent), person_id)


class TurnRecorder:
    """Pairing of what the human said with the speech that answers it.

    The human's words are committed before any reply is generated; the spoken words when the speech has ended.
    A new turn ends the one before it, answered or not.
    """

    def __init__(self, outbox: Outbox, tasks: OwnedTasks, turns: Turns) -> None:
        self._outbox = outbox
        self._tasks = tasks
        self._turns = turns
        self._waiting: Turn | None = None
        self.answering: Turn | None = None
        """The turn that the current speech answers."""
        self._unanswered_since: dict[str, float] = {}
        self._beginning = asyncio.Lock()

    async def begin(self, context: TurnContext, episode: int, text: str, speaker: str) -> Turn:
        async with self._beginning:
            return await self._begin(context, episode, text, speaker)

    async def _begin(self, context: TurnContext, episode: int, text: str, speaker: str) -> Turn:
        await self.end_unanswered()
        turn = Turn(
            turn_id=uuid.uuid4().hex,
            thread=context.thread,
            session_id=context.session_id,
            letta_agent_id=context.letta_agent_id,
            episode=episode,
            user_text=text,
            speaker=speaker,
            person_id=context.person_id,
            scope=context.scope,
            path=context.path,
        )
        await self._outbox.open_turn(turn)
        self._waiting = turn
        self._unanswered_since[turn.turn_id] = time.monotonic()
        return turn

    def inherit(self, turn: Turn) -> None:
        """Take over a turn that the previous job left open: it is ended here, or taken up."""
        if turn.state is TurnState.OPEN:
            self._waiting = turn

    async def take_up(self, turn: Turn, episode: int) -> Turn | None:
        """Answer it in this episode. None: it counts as it stands, or something else has been said."""
        async with self._beginning:
            waiting = self._waiting
            if waiting not in (None, turn) or not await self._outbox.reopen(turn.turn_id, episode):
                return None
            taken = self._waiting = replace(turn, episode=episode)
            self._unanswered_since[turn.turn_id] = time.monotonic()
            return taken

    @property
    def silent_for(self) -> float:
        """Seconds the oldest turn waits for a first sound or a notice: a loop that does not answer is dead."""
        oldest = min(self._unanswered_since.values(), default=None)
        return 0.0 if oldest is None else time.monotonic() - oldest

    def reassured(self, turn: Turn) -> bool:
        """The person is told to wait: the clock of this turn starts again. False: it was answered meanwhile."""
        if turn.turn_id not in self._unanswered_since:
            return False
        self._unanswered_since[turn.turn_id] = time.monotonic()
        return True

    def answered(self) -> None:
        self._unanswered_since.clear()

    def speech_created(self, event: SpeechCreatedEvent) -> None:
        """The next generated speech answers the waiting turn. Greetings and apologies are `say`, not replies."""
        if event.source != "generate_reply" or self._waiting is None:
            return
        turn, self._waiting = self._waiting, None
        self.answering = turn

        def ended(handle: SpeechHandle) -> None:
            self._tasks.start("turn", self._finish(turn, handle), turn.turn_id)

        event.speech_handle.add_done_callback(ended)

    async def plan(self, text: str) -> None:
        """Store the whole answer, most of which is not spoken yet: its end is durable before it is heard."""
        if self.answering is not None:
            await self._outbox.plan_answer(self.answering.turn_id, text)

    async def end_unanswered(self) -> None:
        if (turn := self._waiting) is not None:
            self._waiting = None
            await self._store(turn, "", interrupted=True)

    async def _finish(self, turn: Turn, handle: SpeechHandle) -> None:
        spoken = [item for item in handle.chat_items if isinstance(item, llm.ChatMessage) and item.role == "assistant"]
        text = " ".join(message.text_content or "" for message in spoken).strip()
        tools = [item.name for item in handle.chat_items if isinstance(item, llm.FunctionCall)]
        await self._store(turn, text, interrupted=handle.interrupted or not text, tools=tools)

    async def _store(self, turn: Turn, text: str, *, interrupted: bool, tools: Sequence[str] = ()) -> None:
        try:
            await while_temporary(
                lambda: self._outbox.finish_turn(turn.turn_id, text, interrupted=interrupted, tools=tools)
            )
        finally:  # stored or not, the turn no longer waits for an answer
            self._unanswered_since.pop(turn.turn_id, None)
            self._turns.ended(turn)
