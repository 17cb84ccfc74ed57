"""The local brain reads what every turn begins with while the greeting is heard, and not after a question."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from livekit.agents import Agent, llm
from tenacity import AsyncRetrying, RetryError, retry_if_exception_type, stop_after_attempt, wait_fixed

from voice_agent.errors import Temporary
from voice_agent.models.endpoints import Endpoint
from voice_agent.models.prewarm import prewarm

_ATTEMPTS: Final = 5
"""A greeting that is made meanwhile comes first."""


async def read_ahead(brain: Endpoint, agent: Agent) -> None:
    """A failure costs only the head start."""
    messages, _ = agent.chat_ctx.to_provider_format("openai")
    tools = llm.ToolContext(agent.tools).parse_function_tools("openai")
    attempts = AsyncRetrying(
        retry=retry_if_exception_type(Temporary), wait=wait_fixed(1.0), stop=stop_after_attempt(_ATTEMPTS)
    )
    with suppress(RetryError):
        await attempts(prewarm, brain, messages, tools)
