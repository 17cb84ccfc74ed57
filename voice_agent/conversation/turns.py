"""Turns of one job, from what a person said to the answer they heard. This module alone owns a turn.

A turn is durable before anything is generated (`TurnRecorder`), is answered by the LLM with recalled facts, by such a
fact alone, or by Letta, and is stored when its speech has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from livekit.agents import (
    AgentStateChangedEvent,
    ChatContext,
    ErrorEvent,
    SpeechCreatedEvent,
    UserInputTranscribedEvent,
)

from voice_agent import clock
from voice_agent.contracts import ReplyPath
from voice_agent.conversation.driver import Driver
from voice_agent.conversation.forget_by_voice import ForgetByVoice
from voice_agent.conversation.left_open import LeftOpen
from voice_agent.conversation.prompt_context import PromptContext
from voice_agent.conversation.prompt_prewarmer import PromptPrewarmer
from voice_agent.conversation.provider_errors import (
    notice_of,
    provider_error_of,
    slow_answer,
)
from voice_agent.conversation.reply_source import letta_answer
from voice_agent.conversation.speakers import Speakers
from voice_agent.conversation.speech_session import SpeechSession
from voice_agent.conversation.supervision import Supervision
from voice_agent.conversation.timings import Timings
from voice_agent.conversation.told_answer import told_answer
from voice_agent.conversation.turn_recall import TurnRecall
from voice_agent.conversation.turn_recorder import TurnContext, TurnRecorder
from voice_agent.errors import VoiceAgentError
from voice_agent.languages import ENGLISH, Sentences
from voice_agent.lifecycle import events as ev
from voice_agent.memory.access import Memory
from voice_agent.memory.model import Turn
from voice_agent.memory.threads import ThreadState
from voice_agent.observe.log import BoundLog

_LISTENING_WITHIN: Final = 10.0
_SLOW_AFTER: Final = 8.0
"""Seconds without a first sound after which a person is told that the answer takes longer."""


class Turns:
    def __init__(
        self,
        driver: Driver,
        supervision: Supervision,
        speech: SpeechSession,
        memory: Memory,
        prompt_context: PromptContext,
        speakers: Speakers,
        left_open: LeftOpen,
        prewarmer: PromptPrewarmer,
        log: BoundLog,
    ) -> None:
        self._driver = driver
        self._machine = driver.machine
        self._supervision = supervision
        self._notices = supervision.notices
        self._speech = speech
        self._memory = memory
        self._prompt_context = prompt_context
        self._speakers = speakers
        self._left_open = left_open
        self._prewarmer = prewarmer
        self._recorder = TurnRecorder(memory.outbox, supervision.turn_tasks, self)
        self._forgets = ForgetByVoice(memory, prompt_context, supervision.turn_tasks, log, self._notices)
        self._spoken_tag = ""
        """Language of the last words that were recognised."""
        self._recall = TurnRecall(memory, self._forgets, supervision.episode_tasks, driver.journal, self._notices)

    def open(self, known: ThreadState) -> None:
        """Continue where the last job of this thread stopped."""
        self._left_open.begin(known.asked, known.greeted)
        if known.asked is not None:
            self._recorder.inherit(known.asked)

    def attach(self) -> None:
        session = self._speech.session
        session.on("speech_created", self._speech_created)
        session.on("conversation_item_added", Timings(self._driver.journal).item_added)
        session.on("user_input_transcribed", self._transcribed)
        session.on("error", self._provider_failed)
        session.on("agent_state_changed", self._agent_state_changed)

    @property
    def silent_for(self) -> float:
        """Seconds the oldest turn waits for a first sound or a notice."""
        return self._recorder.silent_for

    @property
    def _sentences(self) -> Sentences:
        return self._prompt_context.language.sentences

    # --- what was said ---

    def _transcribed(self, event: UserInputTranscribedEvent) -> None:
        if not event.is_final:
            self._heard_so_far(event.transcript)
        elif event.language:
            self._spoken_tag = str(event.language)

    def _heard_so_far(self, so_far: str) -> None:
        """While somebody speaks: read their question ahead. In a shared room it is not known yet who speaks."""
        if not self._machine.serving or self._prompt_context.who_speaks:
            return
        whose, whole = self._prompt_context.whose, self._prompt_context.blocks_whole
        self._prewarmer.read_ahead(
            so_far, lambda prompt: self._recall.guess_into(prompt, so_far, whose, blocks_whole=whole)
        )

    async def typed(self, text: str, identity: str) -> bool:
        """Take a typed message as a turn like any other, once a reset that is going on is done. False: it came too
        early."""
        try:
            async with asyncio.timeout(_LISTENING_WITHIN):
                await self._speech.listening.wait()
                await self._driver.serves.wait()
        except TimeoutError:
            return False
        await self._speech.session.interrupt()
        if await self.begin(text, identity):
            self._speech.session.generate_reply(user_input=text)
        return True

    async def spoken(self, words: str) -> bool:
        """False: do not answer."""
        linked = self._speech.session.room_io.linked_participant
        return await self.begin(words, linked.identity if linked else "")

    async def begin(self, words: str, speaker: str) -> bool:
        """Make it durable and tell the machine. False, do not answer: the conversation is over, or storing failed."""
        if not self._machine.serving:
            return False
        self._left_open.drop()
        if await self._prompt_context.heard_in(self._spoken_tag):
            self._speech.speak_in(self._prompt_context.language)
        about = self._speakers.about(speaker)
        agent = self._speakers.narrowed(self._prompt_context.agent, about.person_id)
        try:
            thread = await self._prompt_context.hear(about, agent, self._machine.episode)
            context = TurnContext.of(agent, thread, about.session_id, about.person_id)
            turn = await self._recorder.begin(context, self._machine.episode, words, speaker)
        except VoiceAgentError as error:
            # What could not be stored would be forgotten: say so.
            self._notices.notify(notice_of(error, self._machine.episode))
            self._speech.session.say(self._sentences.cannot_take_note, add_to_chat_ctx=False)
            return False
        return await self._begun(turn)

    async def take_up(self) -> None:
        """Answer what the previous agent, which ended in mid-call, was asked, or say that it was lost."""
        await self._speech.listening.wait()
        if not self._left_open.concerns(self._machine.humans):
            return  # something else was said meanwhile
        asked = self._left_open.take(self._machine.humans)
        turn = None if asked is None else await self._recorder.take_up(asked, self._machine.episode)
        if turn is None:
            self._speech.session.say(self._sentences.lost, add_to_chat_ctx=False)
        elif await self._begun(turn):
            self._speech.session.generate_reply(user_input=turn.user_text)

    async def _begun(self, turn: Turn) -> bool:
        self._prewarmer.stop()
        self._driver.tell(ev.TurnStarted(turn.episode, turn.turn_id, turn.session_id))
        wishes = self._forgets.begin(turn)
        if not self._machine.serving or turn.episode != self._machine.episode:
            await self._recorder.end_unanswered()  # a reset came between
            return False
        if turn.path is ReplyPath.HYBRID and not wishes:  # Letta's own prompt holds the same facts
            self._recall.begin(turn)
        self._supervision.episode_tasks.start("reassure", self._reassure(turn))
        return True

    async def _reassure(self, turn: Turn) -> None:
        await asyncio.sleep(_SLOW_AFTER)
        if self._recorder.reassured(turn):
            self._notices.notify(slow_answer(turn.episode))

    # --- the answer ---

    async def recall_into(self, chat_ctx: ChatContext) -> str:
        """Returns the answer, if it is a fact that was recalled; empty: the LLM has to answer."""
        context, turn = self._prompt_context, self._recorder.answering
        recalled = await self._recall.put_into(
            chat_ctx, context.who_speaks, context.language, blocks_whole=context.blocks_whole
        )
        local = self._speech.llm_endpoint.local  # another LLM is fast, and finds better words
        if turn is None or recalled is None or not local or context.language is not ENGLISH:
            return ""
        return told_answer(turn.user_text, recalled, clock.today())

    def letta_answer(self) -> AsyncGenerator[str, None] | None:
        """None: the LLM answers."""
        turn = self._recorder.answering
        if turn is None or turn.path is not ReplyPath.LETTA:
            return None
        return letta_answer(self._memory, turn, self._prompt_context.agent, self)

    def apology(self, error: VoiceAgentError) -> str:
        """Text to say instead of Letta's answer; the error is sent as a notice."""
        self._notices.notify(notice_of(error, self._machine.episode))
        return self._sentences.no_answer

    async def planned(self, text: str) -> None:
        """Store the whole answer, most of which is not spoken yet."""
        await self._recorder.plan(text)

    def _speech_created(self, event: SpeechCreatedEvent) -> None:
        self._recorder.speech_created(event)

    def _agent_state_changed(self, event: AgentStateChangedEvent) -> None:
        if event.new_state == "speaking":
            self._recorder.answered()

    def _provider_failed(self, event: ErrorEvent) -> None:
        """STT, LLM or TTS gave up: say so, by voice and on the page."""
        error = provider_error_of(event)
        if error is None:
            return
        self._recorder.answered()
        self._notices.notify(error.notice(self._machine.episode))
        if (apology := error.apology(self._sentences)) and self._machine.humans:
            self._speech.session.say(apology, add_to_chat_ctx=False)

    # --- after it ---

    def ended(self, turn: Turn) -> None:
        """Called when the turn is stored, or could not be."""
        self._driver.tell(ev.TurnFinished(turn.episode, turn.turn_id, turn.session_id))
        if self._machine.serving and turn.episode == self._machine.episode:
            self._supervision.episode_tasks.start("between-turns", self._between_turns())

    async def _between_turns(self) -> None:
        forgotten = await self._forgets.clean()
        if await self._prompt_context.compact() or forgotten:
            self._speech.forget()
        self.refresh_recall()
        self._prewarmer.start()

    def refresh_recall(self) -> None:
        """Load what was learned since, while no turn waits for it."""
        self._recall.refresh(*self._prompt_context.whose)

    async def end_episode(self, *, kept: bool) -> None:
        """End the open turn and the history. Writes to the outbox are finished, not cancelled. `kept`: see `resume`."""
        self._left_open.drop()
        await self._recorder.end_unanswered()
        await self._supervision.turn_tasks.finish()
        await self._prompt_context.forget_episode(kept=kept)
        self._forgets.new_episode()
        self._speech.forget()

    async def resume(self) -> None:
        """Continue the conversation from before the lost connection, without what was forgotten meanwhile."""
        await self._forgets.look_back()
        await self._prompt_context.resume()
        await self._forgets.clean()
        self._speech.forget()
        self._prewarmer.start()

    async def close(self) -> None:
        await self._recorder.end_unanswered()
