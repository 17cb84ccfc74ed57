"""LiveKit Agent of a binding: its instructions are the memory, its hooks make turns durable."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, TypeGuard

from livekit import rtc
from livekit.agents import Agent, APIError, ChatContext, FlushSentinel, ModelSettings, StopResponse, llm

from voice_agent.conversation.barge_in import AttentiveAgent
from voice_agent.conversation.breath import A_BREATH
from voice_agent.conversation.history import Said

if TYPE_CHECKING:
    from voice_agent.conversation.turns import Turns

_TOOLS: Final = ("function_call", "function_call_output")


class LiveKitAgent(AttentiveAgent):
    def __init__(self) -> None:
        super().__init__(instructions="")
        self._turns: Turns | None = None

    def attach(self, turns: Turns) -> None:
        """Must be called before the session starts."""
        self._turns = turns

    @property
    def turns(self) -> Turns:
        assert self._turns is not None
        return self._turns

    async def llm_node(
        self, chat_ctx: ChatContext, tools: list[llm.Tool], model_settings: ModelSettings
    ) -> AsyncGenerator[str | llm.ChatChunk | FlushSentinel, None]:
        """The answer: a fact that was recalled, or of Letta where Letta answers, or of the LLM. It ends only when the
        whole answer is stored."""
        own = self.turns.letta_answer()
        if own is None and (told := await self.turns.recall_into(chat_ctx)):
            own = _once(told)
        answer = Agent.default.llm_node(self, chat_ctx, tools, model_settings) if own is None else own
        text = ""
        async with aclosing(answer):
            async for piece in answer:
                text += _words(piece)
                yield piece
        if text:
            await self.turns.planned(text)

    async def tts_node(
        self, text: AsyncIterable[str], model_settings: ModelSettings
    ) -> AsyncGenerator[rtc.AudioFrame, None]:
        """A TTS that fails costs only the audio: livekit alone would drop the text, too."""
        spoken = False
        try:
            async with aclosing(Agent.default.tts_node(self, text, model_settings)) as voice:
                async for frame in voice:
                    spoken = True
                    yield frame
        except APIError:
            if not spoken:
                yield A_BREATH

    async def on_user_turn_completed(self, turn_ctx: ChatContext, new_message: llm.ChatMessage) -> None:
        """Store what was said before anything is generated; a blank transcript is not a turn."""
        words = (new_message.text_content or "").strip()
        if not any(character.isalnum() for character in words):
            raise StopResponse
        if not await self.turns.spoken(words):
            raise StopResponse

    def said(self) -> list[Said]:
        return [Said(item.role, item.text_content or "") for item in self._messages()]

    async def drop_oldest(self, count: int) -> None:
        """Drop the items between them, too: a tool result without its call confuses every LLM."""
        kept = self._messages()[count:]
        first = self.chat_ctx.items.index(kept[0]) if kept else len(self.chat_ctx.items)
        await self.update_chat_ctx(ChatContext(self.chat_ctx.items[first:]))

    def _messages(self) -> list[llm.ChatMessage]:
        return [item for item in self.chat_ctx.items if _is_said(item)]

    async def keep(self, kept: Callable[[Sequence[llm.ChatItem]], list[llm.ChatItem]]) -> None:
        await self.update_chat_ctx(ChatContext(kept(self.chat_ctx.items)))

    def exchange(self) -> list[llm.ChatItem]:
        """Messages and tool calls, without the instructions, which livekit keeps among the items."""
        return [item for item in self.chat_ctx.items if _is_said(item) or item.type in _TOOLS]

    async def go_on(self, earlier: Sequence[llm.ChatItem]) -> None:
        """Put an earlier exchange before what was said so far."""
        await self.update_chat_ctx(ChatContext([*earlier, *self.exchange()]))

    async def forget(self) -> None:
        await self.update_chat_ctx(ChatContext.empty())


async def _once(words: str) -> AsyncGenerator[str, None]:
    yield words


def _is_said(item: llm.ChatItem) -> TypeGuard[llm.ChatMessage]:
    return isinstance(item, llm.ChatMessage) and item.role in ("user", "assistant")


def _words(piece: str | llm.ChatChunk | FlushSentinel) -> str:
    if isinstance(piece, llm.ChatChunk):
        return (piece.delta.content or "") if piece.delta else ""
    return piece if isinstance(piece, str) else ""
