"""Recall in each turn: what the speaker told before is put before their question, for this answer only."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final, TypeGuard

from livekit.agents import ChatContext, llm

from voice_agent.contracts import LogEvent, RecalledFact, RecallNote
from voice_agent.conversation.forget_by_voice import ForgetByVoice
from voice_agent.conversation.one_person import as_one_person
from voice_agent.conversation.others_orders import OthersOrders
from voice_agent.conversation.supervision import Notices
from voice_agent.conversation.tasks import OwnedTasks
from voice_agent.languages import ENGLISH, Language
from voice_agent.memory.access import Memory
from voice_agent.memory.facts.fact import UNDATED
from voice_agent.memory.model import Turn
from voice_agent.memory.prompt import recalled_text
from voice_agent.memory.recall.question import plainly
from voice_agent.memory.recall.recall import Recall, Recalled
from voice_agent.observe.journal import Journal

_DEADLINE: Final = 6.0
"""An answer without memory is better than none. Longer than the deadlines of the question's embedding and of a second
look together, so that there is still time to search by words."""


class TurnRecall:
    def __init__(
        self,
        memory: Memory,
        forgets: ForgetByVoice,
        tasks: OwnedTasks,
        journal: Journal,
        notices: Notices,
    ) -> None:
        self._memory = memory
        self._forgets = forgets
        self._tasks = tasks
        self._journal = journal
        self._notices = notices
        self._looking: asyncio.Task[Recalled | None] | None = None
        self._orders = OthersOrders()

    def begin(self, turn: Turn) -> None:
        """Called before the answer is generated: the search runs beside the rest of the turn's start."""
        self._orders.note(turn)
        self._looking = self._tasks.start("recall", self._recalled(turn))

    def refresh(self, letta_agent_id: str, person_id: str, session_id: str) -> None:
        """Load what was learned since, while no turn waits for it."""
        self._tasks.start("recall-refresh", self._refreshed(self._memory.recall(letta_agent_id, person_id, session_id)))

    async def put_into(
        self, chat_ctx: ChatContext, who: str = "", language: Language = ENGLISH, *, blocks_whole: bool = False
    ) -> Recalled | None:
        """Put the recall last in the prompt: what precedes it stays in the KV cache. Facts go before the question; what
        came of a wish to forget, and the note that nothing was told, after it (before it, a small model answers all the
        same).

        `who`: the speaker, in a shared room. `blocks_whole`: see `recalled_text`. Returns what was recalled.
        """
        looking, self._looking = self._looking, None
        outcome = await self._forgets.told()
        recalled = await _found(looking) if looking is not None and outcome is None else None
        text = outcome or ""
        if recalled is not None:
            text = recalled_text(recalled, language.sentences, blocks_whole=blocks_whole)
        self._purge(chat_ctx)
        question = next((item for item in reversed(chat_ctx.items) if _is_asked(item)), None)
        if question is None:
            return None
        for note in filter(None, (who, language.reminder)):
            chat_ctx.items.insert(chat_ctx.items.index(question), llm.ChatMessage(role="system", content=[note]))
        if text:
            place = chat_ctx.items.index(question)
            if recalled is not None:
                chat_ctx.items[place] = _as_one_person(question)
            after = outcome is not None or (recalled is not None and recalled.untold)
            chat_ctx.items.insert(place + int(after), llm.ChatMessage(role="system", content=[text]))
        return recalled

    async def guess_into(
        self, chat_ctx: ChatContext, so_far: str, whose: tuple[str, str, str], *, blocks_whole: bool = False
    ) -> bool:
        """The same for a question that is still being said, as far as it can be known: the prompt that is read ahead
        then begins like that of the answer. False: what will stand in front of the question is not known yet."""
        self._purge(chat_ctx)
        recalled = await self._guessed(so_far, whose)
        if recalled is None or recalled.doubtful:
            return False
        if text := recalled_text(replace(recalled, untold=False), blocks_whole=blocks_whole):
            chat_ctx.add_message(role="system", content=text)
            so_far = as_one_person(plainly(so_far))
        chat_ctx.add_message(role="user", content=so_far)
        return True

    def _purge(self, chat_ctx: ChatContext) -> None:
        self._forgets.purge(chat_ctx.items)
        self._orders.purge(chat_ctx.items)

    async def _guessed(self, so_far: str, whose: tuple[str, str, str]) -> Recalled | None:
        try:
            async with asyncio.timeout(_DEADLINE):
                return await self._memory.recall(*whose).about(so_far, look_again=False)
        except Exception as error:  # noqa: BLE001 - optional: the question itself is looked up when it is complete
            self._failed(f"{type(error).__name__}: {error}")
            return None

    async def _recalled(self, turn: Turn) -> Recalled | None:
        """None: it took too long or failed."""
        recall = self._memory.recall(turn.letta_agent_id, turn.person_id, turn.session_id)
        recalled: Recalled | None = None
        try:
            async with asyncio.timeout(_DEADLINE):
                await recall.look(before=turn.turn_id)
                recalled = await recall.about(turn.user_text)
        except TimeoutError:
            self._failed(f"Nothing was recalled within {_DEADLINE:g} s.")
        except Exception as error:  # noqa: BLE001 - the person is answered even if recall fails
            self._failed(f"{type(error).__name__}: {error}")
        if recalled is not None and (recalled.facts or recalled.untold):
            self._report(turn, recalled)
        return recalled

    def _report(self, turn: Turn, recalled: Recalled) -> None:
        facts = tuple(
            RecalledFact(
                fact_id=fact.fact_id,
                text=fact.text,
                said_at="" if fact.said_at == UNDATED else fact.said_at.isoformat(timespec="seconds"),
            )
            for fact in recalled.facts
        )
        self._notices.show_recalled(RecallNote(turn_id=turn.turn_id, facts=facts, untold=recalled.untold), turn.speaker)
        self._journal.write(
            LogEvent.RECALLED,
            turn_id=turn.turn_id,
            facts=len(facts),
            untold=recalled.untold,
            ms=round(recalled.milliseconds, 1),
        )

    async def _refreshed(self, recall: Recall) -> None:
        try:
            await recall.refresh()
        except Exception as error:  # noqa: BLE001 - optional: the next question looks again
            self._failed(f"{type(error).__name__}: {error}")

    def _failed(self, why: str) -> None:
        self._journal.write(LogEvent.MEMORY_FAILED, what="recall", message=why[:300])


async def _found(looking: asyncio.Task[Recalled | None]) -> Recalled | None:
    """The search's result; None if it is late or failed: the question is answered without it."""
    await asyncio.wait({looking}, timeout=_DEADLINE)
    return looking.result() if looking.done() and not looking.cancelled() and looking.exception() is None else None


def _as_one_person(asked: llm.ChatMessage) -> llm.ChatMessage:
    """A copy for this answer only: the history is unchanged."""
    content = [as_one_person(plainly(part)) if isinstance(part, str) else part for part in asked.content]
    return asked.model_copy(update={"content": content})


def _is_asked(item: llm.ChatItem) -> TypeGuard[llm.ChatMessage]:
    return isinstance(item, llm.ChatMessage) and item.role == "user"
