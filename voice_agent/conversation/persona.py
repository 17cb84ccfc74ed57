"""The livekit Agent of a binding: its instructions are the memory, its hooks make turns durable."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from livekit.agents import Agent, ChatContext, StopResponse, llm


class Persona(Agent):
    def __init__(self, on_words: Callable[[str], Awaitable[bool]]) -> None:
        super().__init__(instructions="")
        self._on_words = on_words

    async def on_user_turn_completed(self, turn_ctx: ChatContext, new_message: llm.ChatMessage) -> None:
        """Before anything is generated: what was said is durable; a blank transcript is not a turn."""
        words = (new_message.text_content or "").strip()
        if not any(character.isalnum() for character in words):
            raise StopResponse
        if not await self._on_words(words):
            raise StopResponse

    async def forget(self) -> None:
        await self.update_chat_ctx(ChatContext.empty())
