"""Prompt prewarmer: fills the local LLM's KV cache with all that precedes the next question before it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

from livekit.agents import Agent, ChatContext, llm
from tenacity import AsyncRetrying, RetryError, retry_if_exception_type, stop_after_attempt, wait_fixed

from voice_agent.contracts import ReplyPath
from voice_agent.conversation.prompt_context import PromptContext
from voice_agent.conversation.reply_source import reply_path
from voice_agent.conversation.speech_session import SpeechSession
from voice_agent.conversation.tasks import OwnedTasks
from voice_agent.errors import Temporary
from voice_agent.providers.endpoints import Endpoint
from voice_agent.providers.prewarm import prewarm

_ATTEMPTS: Final = 5
"""Several, because a greeting that is synthesized meanwhile comes first."""
_WORTH_READING: Final = 12
"""Words of a question that is still being said. Of a shorter one too little would be read before it is over, and its
answer would wait for the rest of a batch that begins with words misheard."""
PutQuestion = Callable[[ChatContext], Awaitable[bool]]
"""Puts a question last in a prompt. False: there is nothing to read yet."""


class PromptPrewarmer:
    """Prewarmer of one job's prompt; a newer prompt replaces the one in progress."""

    def __init__(self, tasks: OwnedTasks, speech: SpeechSession, agent: Agent, prompt_context: PromptContext) -> None:
        self._tasks = tasks
        self._speech = speech
        self._agent = agent
        self._prompt_context = prompt_context
        self._reading: asyncio.Task[Any] | None = None

    @property
    def _useful(self) -> bool:
        return reply_path(self._prompt_context.agent) is ReplyPath.HYBRID and self._speech.llm_endpoint.local

    def start(self) -> None:
        if self._useful:
            self._begin(prewarm_prompt(self._speech.llm_endpoint, self._agent))

    def read_ahead(self, so_far: str, put_question: PutQuestion) -> None:
        """Read a long question while it is being said."""
        if self._useful and len(so_far.split()) >= _WORTH_READING:
            self._begin(read_ahead(self._speech.llm_endpoint, self._agent, put_question))

    def stop(self) -> None:
        """Before an answer, which reads the same itself: nothing old is read after it."""
        if self._reading is not None:
            self._tasks.drop(self._reading)
            self._reading = None

    def _begin(self, reading: Coroutine[Any, Any, None]) -> None:
        self.stop()
        self._reading = self._tasks.start("prewarm-prompt", reading)


async def prewarm_prompt(llm_endpoint: Endpoint, agent: Agent) -> None:
    """A failure costs only the head start."""
    attempts = AsyncRetrying(
        retry=retry_if_exception_type(Temporary), wait=wait_fixed(1.0), stop=stop_after_attempt(_ATTEMPTS)
    )
    with suppress(RetryError):
        await attempts(_read, llm_endpoint, agent, _begin_question)


async def read_ahead(llm_endpoint: Endpoint, agent: Agent, put_question: PutQuestion) -> None:
    """Not again: soon more of the question is known."""
    with suppress(Temporary):
        await _read(llm_endpoint, agent, put_question)


async def _begin_question(chat_ctx: ChatContext) -> bool:
    """The opening tokens are the same for every question."""
    chat_ctx.items.append(llm.ChatMessage(role="user", content=[""]))
    return True


async def _read(llm_endpoint: Endpoint, agent: Agent, put_question: PutQuestion) -> None:
    """The history is taken anew at each attempt: a turn in between has changed it."""
    prompt = agent.chat_ctx.copy()
    if not await put_question(prompt):
        return
    messages, _ = prompt.to_provider_format("openai")
    tools = llm.ToolContext(agent.tools).parse_function_tools("openai")
    await prewarm(llm_endpoint, messages, tools)
