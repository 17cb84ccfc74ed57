"""Forgetting by voice: a spoken wish to forget is carried out at once, and the answer knows its outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from livekit.agents import llm

from voice_agent.contracts import MemoryScope
from voice_agent.conversation.prompt_context import PromptContext
from voice_agent.conversation.provider_errors import forgotten_notice, not_forgotten_notice
from voice_agent.conversation.supervision import Notices
from voice_agent.conversation.tasks import OwnedTasks
from voice_agent.languages import Sentences
from voice_agent.memory.access import Memory
from voice_agent.memory.facts.store import Owner
from voice_agent.memory.facts.wishes import ForgetWish, Outcome, forget_wish
from voice_agent.memory.model import Turn
from voice_agent.memory.prompt import forgetting_failed, forgetting_goes_on, forgotten_text
from voice_agent.observe.log import BoundLog

_PATIENCE: Final = 2.0
"""Seconds an answer waits for the outcome."""


class ForgetByVoice:
    """Forgetting, also in this conversation's history; only hashes of what was said are kept here."""

    def __init__(
        self,
        memory: Memory,
        prompt_context: PromptContext,
        tasks: OwnedTasks,
        log: BoundLog,
        notices: Notices,
    ) -> None:
        self._memory = memory
        self._prompt_context = prompt_context
        self._tasks = tasks
        self._log = log
        self._notices = notices
        self._doing: asyncio.Task[str] | None = None
        self._said: dict[str, int] = {}
        """Turn id → hash of what was said in it."""
        self._said_before: dict[str, int] = {}
        """The same of the last episode."""
        self._gone: set[str] = set()
        """Ids of turns that are to leave the history."""
        self._left: set[str] = set()

    def begin(self, turn: Turn) -> bool:
        """Called once the turn is in the outbox. True: it holds a wish to forget, and `told` returns the outcome."""
        self._said[turn.turn_id] = _mark(turn.user_text)
        may = turn.scope is MemoryScope.PERSONAL and bool(turn.person_id)
        wish = forget_wish(turn.user_text) if may else None
        self._doing = None if wish is None else self._tasks.start("forget", self._forget(turn, wish))
        return wish is not None

    async def told(self) -> str | None:
        """Text for the prompt of this turn's answer. None: the turn holds no wish."""
        doing = self._doing
        if doing is None:
            return None
        await asyncio.wait({doing}, timeout=_PATIENCE)
        if not doing.done():
            return forgetting_goes_on(self._sentences)
        failed = doing.cancelled() or doing.exception() is not None
        return forgetting_failed(self._sentences) if failed else doing.result()

    @property
    def _sentences(self) -> Sentences:
        return self._prompt_context.language.sentences

    def purge(self, items: list[llm.ChatItem]) -> None:
        """Remove from a prompt what was forgotten since its history was made; the question being answered stays."""
        if self._gone:
            items[:] = without(items, self._marks(), keep_last=True)

    async def clean(self) -> bool:
        """Between turns: remove it from the history for good. True: the history has changed."""
        new = self._gone - self._left
        if not new:
            return False
        self._left |= new
        await self._prompt_context.forget_said(new, lambda items: without(items, self._marks()))
        return True

    def new_episode(self) -> None:
        self._doing = None
        self._said_before = self._said
        self._said, self._gone, self._left = {}, set(), set()

    async def look_back(self) -> None:
        """Before the history of the last episode is restored: find what is to leave it."""
        self._said = self._said_before | self._said
        self._gone |= await self._memory.forgotten_among([*self._said, *self._prompt_context.quoted_before])

    async def _forget(self, turn: Turn, wish: ForgetWish) -> str:
        # Optional: whatever fails here must not end the call.
        done = (await asyncio.gather(self._carried_out(turn, wish), return_exceptions=True))[0]
        if isinstance(done, BaseException):
            self._notices.notify(not_forgotten_notice(done, turn.episode))
            return forgetting_failed(self._sentences)
        self._notices.notify(forgotten_notice(done.forgotten, turn.episode, done.written))
        return forgotten_text(done.forgotten, done.written, self._sentences)

    async def _carried_out(self, turn: Turn, wish: ForgetWish) -> Outcome:
        owner = Owner(turn.letta_agent_id, turn.person_id)
        outcome = await self._memory.forget(owner, wish, turn.turn_id, self._log)
        self._gone |= await self._memory.forgotten_among([*self._said, *self._prompt_context.quoted])
        return outcome

    def _marks(self) -> set[int]:
        return {self._said[turn_id] for turn_id in self._gone if turn_id in self._said}


def without(items: Sequence[llm.ChatItem], marks: set[int], *, keep_last: bool = False) -> list[llm.ChatItem]:
    """Exchanges are removed whole, with all that was said before the first question: a greeting may repeat it."""
    questions = [item for item in items if isinstance(item, llm.ChatMessage) and item.role == "user"]
    kept: list[llm.ChatItem] = []
    keeps = False
    for item in items:
        if isinstance(item, llm.ChatMessage):
            if item.role in ("system", "developer"):
                kept.append(item)
                continue
            if item.role == "user":
                asked_now = keep_last and item is questions[-1]
                keeps = asked_now or _mark(item.text_content or "") not in marks
        if keeps:
            kept.append(item)
    return kept


def _mark(text: str) -> int:
    return hash(" ".join(text.split()))
