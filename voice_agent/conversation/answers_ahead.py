"""Answers ahead: what a person has told is synthesized before they ask for it, as the answer that it will be.

For our own voice and language model alone (`told_answer.py`). The model server does it when nobody waits for anything
else, and keeps it in its memory (`models/speech_store.py`).
"""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import Final

from tenacity import AsyncRetrying, RetryError, retry_if_exception_type, stop_after_attempt, wait_fixed

from voice_agent import clock
from voice_agent.contracts import ReplyPath
from voice_agent.conversation.first_clause import clauses
from voice_agent.conversation.prompt_context import PromptContext
from voice_agent.conversation.reply_source import reply_path
from voice_agent.conversation.speech_session import SpeechSession
from voice_agent.conversation.tasks import OwnedTasks
from voice_agent.conversation.told_answer import as_told
from voice_agent.errors import Temporary
from voice_agent.languages import ENGLISH
from voice_agent.memory.access import Memory
from voice_agent.providers.prewarm import prewarm_speech

_MOST: Final = 16
"""Sentences, of which each takes a second or two of the whole machine."""
_ATTEMPTS: Final = 10
"""Of one sentence: each may be stopped by a turn."""


class AnswersAhead:
    def __init__(self, tasks: OwnedTasks, speech: SpeechSession, memory: Memory, prompt_context: PromptContext) -> None:
        self._tasks = tasks
        self._speech = speech
        self._memory = memory
        self._prompt_context = prompt_context
        self._making: asyncio.Task[None] | None = None

    def start(self) -> None:
        """A newer memory replaces the one in progress."""
        if self._making is not None:
            self._tasks.drop(self._making)
        context = self._prompt_context
        ours = self._speech.tts_endpoint.local and self._speech.llm_endpoint.local
        hybrid = reply_path(context.agent) is ReplyPath.HYBRID
        if ours and hybrid and context.language is ENGLISH and not context.policy.of_several:
            self._making = self._tasks.start("answers-ahead", self._make())

    async def _make(self) -> None:
        recall = self._memory.recall(*self._prompt_context.whose)
        await recall.look()
        told = (as_told(fact, clock.today()) for fact in [*recall.known, *recall.in_blocks])
        try:
            for text in islice(filter(None, told), _MOST):
                await self._say(clauses(text))
        except RetryError:
            return  # optional: the answer is synthesized when it is asked for

    async def _say(self, pieces: list[str]) -> None:
        for piece in pieces:
            attempts = AsyncRetrying(
                retry=retry_if_exception_type(Temporary), wait=wait_fixed(2.0), stop=stop_after_attempt(_ATTEMPTS)
            )
            await attempts(prewarm_speech, self._speech.tts_endpoint, piece)
