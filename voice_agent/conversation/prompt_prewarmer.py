"""Prompt prewarmer: fills the local LLM's KV cache with all that precedes the next question before it is asked."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

from livekit.agents import Agent, llm
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
_A_QUESTION: Final = {"role": "user", "content": ""}
"""Its opening tokens are the same for every question."""


class PromptPrewarmer:
    """Prewarmer of one job's prompt; a newer prompt replaces the one in progress."""

    def __init__(self, tasks: OwnedTasks, speech: SpeechSession, agent: Agent, prompt_context: PromptContext) -> None:
        self._tasks = tasks
        self._speech = speech
        self._agent = agent
        self._prompt_context = prompt_context
        self._reading: asyncio.Task[Any] | None = None

    def start(self) -> None:
        if reply_path(self._prompt_context.agent) is not ReplyPath.HYBRID:
            return
        if self._reading is not None:
            self._tasks.drop(self._reading)
        self._reading = self._tasks.start("prewarm-prompt", prewarm_prompt(self._speech.llm_endpoint, self._agent))


async def prewarm_prompt(llm_endpoint: Endpoint, agent: Agent) -> None:
    """A failure costs only the head start."""
    attempts = AsyncRetrying(
        retry=retry_if_exception_type(Temporary), wait=wait_fixed(1.0), stop=stop_after_attempt(_ATTEMPTS)
    )
    with suppress(RetryError):
        await attempts(_read, llm_endpoint, agent)


async def _read(llm_endpoint: Endpoint, agent: Agent) -> None:
    """The history is taken anew at each attempt: a turn in between has changed it."""
    messages, _ = agent.chat_ctx.to_provider_format("openai")
    tools = llm.ToolContext(agent.tools).parse_function_tools("openai")
    await prewarm(llm_endpoint, [*messages, _A_QUESTION], tools)
