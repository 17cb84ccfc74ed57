"""VoiceAssistant: performs in a real room what the lifecycle machine decides.

The machine knows what must follow what; this module knows how. Every room event, timer and finished effect is
told to the machine (`tell`); each effect it answers with is performed by one method, found in one table.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from livekit import rtc
from livekit.agents import AgentStateChangedEvent, ChatContext, ErrorEvent

from voice_agent.contracts import (
    AgentAttribute,
    AgentBinding,
    JobMetadata,
    LogEvent,
    Notice,
    RecallNote,
    ReplyPath,
    StatusAnswer,
    Weight,
)
from voice_agent.conversation.announcer import Announcer
from voice_agent.conversation.callers import Callers, Sessions
from voice_agent.conversation.criticality import as_ours, rule_of
from voice_agent.conversation.driver import Driver
from voice_agent.conversation.forget_by_voice import ForgetByVoice
from voice_agent.conversation.left_open import ANSWERED_WITHIN, LOST, LeftOpen
from voice_agent.conversation.livekit_agent import LiveKitAgent
from voice_agent.conversation.prompt_context import PromptContext
from voice_agent.conversation.prompt_prewarmer import PromptPrewarmer
from voice_agent.conversation.provider_errors import (
    CANNOT_TAKE_NOTE,
    NO_ANSWER,
    notice_of,
    provider_error_of,
    slow_answer,
    truncated_block,
)
from voice_agent.conversation.reply_source import letta_answer, reply_path
from voice_agent.conversation.retries import while_temporary
from voice_agent.conversation.room_events import RoomEvents
from voice_agent.conversation.speakers import Speakers
from voice_agent.conversation.speech_session import SpeechSession
from voice_agent.conversation.tasks import OwnedTasks
from voice_agent.conversation.timings import Timings
from voice_agent.conversation.turn_recall import TurnRecall
from voice_agent.conversation.turns import TurnContext, TurnRecorder
from voice_agent.conversation.welcome import Welcome
from voice_agent.errors import Code, VoiceAgentError
from voice_agent.lifecycle import effects as fx
from voice_agent.lifecycle import events as ev
from voice_agent.lifecycle.machine import Machine
from voice_agent.lifecycle.states import Memory as MemoryState
from voice_agent.lifecycle.states import State
from voice_agent.lifecycle.timing import Timing
from voice_agent.memory.access import Memory
from voice_agent.memory.model import Snapshot, Turn
from voice_agent.observe.journal import Journal
from voice_agent.observe.log import BoundLog
from voice_agent.rooms.leases import Health, health_of

_RESET_DEADLINE: Final = Timing().reset_deadline
_RESET_ANSWER: Final = _RESET_DEADLINE + 10.0
_LOAD_DEADLINE: Final = _RESET_DEADLINE * 0.75
"""A load must leave time for the rest of a reset."""
_RETRY_DEADLINE: Final = 10.0
_SOMEBODY_WAITS_FOR_MEMORY: Final = (State.STARTING, State.LOADING_MEMORY, State.RESETTING)
_LISTENING_WITHIN: Final = 10.0
_SLOW_AFTER: Final = 8.0
"""Who waits this long for a first sound is told that it takes longer."""


class VoiceAssistant:
    """One assistant in one room, from the job's start to its end."""

    def __init__(
        self,
        room: rtc.Room,
        job: JobMetadata,
        speech: SpeechSession,
        memory: Memory,
        log: BoundLog,
        sessions: Sessions,
        *,
        timing: Timing,
        greet: bool,
        memory_refresh: float,
    ) -> None:
        self.machine = Machine(timing)
        self._job = job
        self._sessions = sessions
        self._speech = speech
        self._memory = memory
        self._journal = Journal(log, self.machine)
        self._driver = Driver(self._journal, self._leave, self._greeted_changed, self.task_failed)
        self.tell = self._driver.tell
        self._memory_refresh = memory_refresh
        self._bindings = {job.agent.agent_id: job.agent}
        self._speakers = Speakers(room, job)
        self._announcer = Announcer(room)
        self._job_tasks = OwnedTasks("job", self.task_failed)
        self.callers = Callers(room, sessions, self._job_tasks, log)
        self._events = RoomEvents(room, self.callers, self.tell)
        self._episode_tasks = OwnedTasks("episode", self.task_failed)
        self._turn_tasks = OwnedTasks("turns", self.task_failed)
        self._turns = TurnRecorder(memory.outbox, self._turn_tasks, self._turn_ended)
        self._livekit_agent = LiveKitAgent(self._heard, self._own_answer, self._turns.plan, self._put_recalled)
        self._prompt_context = PromptContext(memory, self._livekit_agent, job)
        self._forgets = ForgetByVoice(memory, self._prompt_context, self._turn_tasks, log, self.notify)
        self._recall = TurnRecall(memory, self._forgets, self._episode_tasks, self._journal, self._show_recalled)
        self._left_open = LeftOpen(room)
        self._welcome = Welcome(speech, memory, self._prompt_context, self._episode_tasks, enabled=greet)
        self._prewarmer = PromptPrewarmer(self._episode_tasks, lambda: speech.llm_endpoint, self._livekit_agent)
        self._reset_waiters: list[asyncio.Future[StatusAnswer]] = []
        self._failure: VoiceAgentError | None = None
        self._gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        begin = self._driver.begin
        self._driver.performs(
            {
                fx.LoadMemory: lambda e: begin(e, self._episode_tasks, self._load_memory(e)),
                fx.StopSpeech: lambda e: begin(e, self._job_tasks, self._stop_speech(e)),
                fx.CancelEpisodeTasks: lambda e: begin(e, self._job_tasks, self._cancel_episode_tasks(e)),
                fx.ClearHistory: lambda e: begin(e, self._job_tasks, self._clear_history(e)),
                fx.Greet: lambda e: begin(e, self._episode_tasks, self._say_greeting(e)),
                fx.Resume: lambda e: begin(e, self._episode_tasks, self._resume()),
                fx.AcknowledgeReset: self._acknowledge_reset,
                fx.LinkTo: self._listen_to,
                fx.AcknowledgeArrival: self._acknowledge_arrival,
                fx.Rescan: lambda _: self.tell(ev.HumansScanned(self.callers.scan())),
                fx.AnnounceState: self._announce_state,
                fx.LeaveRoom: lambda e: self._leave(e.reason),
                fx.RebindAgent: self._rebind,
                fx.Maintain: lambda e: begin(e, self._job_tasks, self._prompt_context.settle()),
                fx.Dropped: self._log_only,
            }
        )

    # --- life ---

    async def open(self) -> None:
        """Where the last job of this thread stopped. Before anything else is told to the machine."""
        known = await self._memory.open(self._job, ANSWERED_WITHIN, await self._sessions.all())
        self._left_open.begin(known.asked, known.greeted)
        if known.asked is not None:
            self._turns.inherit(known.asked)
        self.tell(ev.JobStarted(known.episode, self._job.agent.agent_id, self._job.lease_epoch, known.greeted))

    async def run(self) -> str:
        """From an already connected room until the assistant has left it. Returns why; raises what it failed of."""
        self._events.attach()
        self._job_tasks.start("announce", self._announcer.run())
        self._speech.session.on("speech_created", self._turns.speech_created)
        self._speech.session.on("conversation_item_added", Timings(self._journal).item_added)
        self._speech.session.on("error", self._provider_failed)
        self._speech.session.on("agent_state_changed", self._agent_state_changed)
        try:
            await self._speech.start(self._livekit_agent)
            self._job_tasks.start("publish-voice", self._speech.publish())
            self.tell(ev.RoomConnected(self.callers.present()))
            why = await asyncio.shield(self._gone)
        finally:
            await self._close()
        if self._failure is not None:
            raise self._failure
        return why

    async def reset_for_reconnect(self, reason: str = "manual") -> StatusAnswer:
        """Make the assistant new for whoever comes next; returns when that is done.

        Cancels the episode's tasks and waits for their end, clears local history, raises the episode and reloads
        memory. The machine runs the same steps by itself when the last human leaves; a call meanwhile joins them.
        """
        waiter: asyncio.Future[StatusAnswer] = asyncio.get_running_loop().create_future()
        self._reset_waiters.append(waiter)
        self.tell(ev.ResetRequested(reason))
        async with asyncio.timeout(_RESET_ANSWER):
            return await waiter

    def switch_agent(self, agent: AgentBinding) -> None:
        """Another assistant shall answer in this room, as soon as that is safe. It is echoed before it is ready."""
        self._bindings[agent.agent_id] = agent
        self.tell(ev.SwitchAgentRequested(agent.agent_id))

    def status(self) -> StatusAnswer:
        return StatusAnswer(
            state=self.machine.state,
            episode=self.machine.episode,
            memory=self._memory_text(self.machine.memory),
            agent_id=self.machine.agent_id,
        )

    def health(self) -> Health:
        """Goes into every renewal of the lease: present is not the same as alive."""
        if self._failure is not None:
            return health_of(self._failure)
        if self.machine.state is State.FAILED:
            return Health(Code.AGENT_FAILS, why=self.machine.error)
        return Health(silent_for=self._turns.silent_for)

    async def shutdown(self, reason: str) -> None:
        """The job is told to end: leave, and wait until we have."""
        if not self._gone.done():
            self.tell(ev.ShutdownRequested(reason or "shutdown"))
            await asyncio.shield(self._gone)

    async def hear_text(self, text: str, identity: str) -> bool:
        """What somebody typed is a turn like any other. False: it came before the session listens."""
        try:
            await asyncio.wait_for(self._speech.listening.wait(), _LISTENING_WITHIN)
        except TimeoutError:
            return False
        await self._speech.session.interrupt()
        if await self._begin_turn(text, identity):
            self._speech.session.generate_reply(user_input=text)
        return True

    # --- effects ---

    async def _load_memory(self, effect: fx.LoadMemory) -> None:
        awaited = self.machine.state in _SOMEBODY_WAITS_FOR_MEMORY
        self._welcome.look_back()
        result = await self._prompt_context.load(effect.episode, _LOAD_DEADLINE if awaited else _RETRY_DEADLINE)
        await self._take_memory(result.snapshot)
        self._episode_tasks.start("prepare-greeting", self._welcome.prepare(self._speakers.expected_name))
        if result.error is None:
            self._episode_tasks.start("follow-memory", self._follow_memory(effect.episode))
            self.tell(ev.MemoryLoaded(effect.episode))
        elif result.error.code is Code.AGENT_NOT_FOUND:
            self._fail(result.error)
        else:
            self.tell(ev.MemoryLoadFailed(effect.episode, result.error.code, result.snapshot is not None))

    def _think_ahead(self) -> None:
        if reply_path(self._prompt_context.agent) is ReplyPath.HYBRID:
            self._prewarmer.start()

    async def _take_memory(self, snapshot: Snapshot | None) -> None:
        for label in await self._prompt_context.take(snapshot):
            self.notify(truncated_block(label, self.machine.episode))
        self._recall.refresh(*self._prompt_context.whose)
        self._think_ahead()

    async def _follow_memory(self, episode: int) -> None:
        """What somebody else changes in Letta reaches a running episode, too."""
        changed = await self._prompt_context.next_change(self._memory_refresh)
        if self.machine.state is State.READY:
            self.tell(ev.SyncFinished(changed=True))  # a whole load follows, and with it the next watch
            return
        await self._take_memory(changed)
        self._episode_tasks.start("follow-memory", self._follow_memory(episode))

    async def _stop_speech(self, effect: fx.StopSpeech) -> None:
        await self._speech.interrupt()
        self.tell(ev.SpeechStopped(effect.episode))

    async def _cancel_episode_tasks(self, effect: fx.CancelEpisodeTasks) -> None:
        await self._episode_tasks.stop()
        self.tell(ev.TasksEnded(effect.episode))

    async def _clear_history(self, effect: fx.ClearHistory) -> None:
        # What was said is on its way into the outbox: that is finished, never cancelled.
        self._left_open.drop()
        await self._turns.end_unanswered()
        await self._turn_tasks.finish()
        await self._prompt_context.forget_episode(kept=bool(self.machine.data.lost))
        self._forgets.new_episode()
        self._speech.forget()
        self.tell(ev.HistoryCleared(effect.episode))

    async def _resume(self) -> None:
        """What was said before the connection broke is said still, but for what was forgotten meanwhile."""
        await self._forgets.look_back()
        await self._prompt_context.resume()
        await self._forgets.clean()
        self._speech.forget()
        self._think_ahead()

    def _listen_to(self, effect: fx.LinkTo) -> None:
        self._speech.listen_to(effect.human.identity)
        self._memory.look_now()
        if self._left_open.concerns(self.machine.humans):
            self._episode_tasks.start("take-up", self._take_up())
        else:
            self._left_open.drop()

    def _acknowledge_reset(self, _: fx.AcknowledgeReset) -> None:
        waiters, self._reset_waiters = self._reset_waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(self.status())

    async def _say_greeting(self, effect: fx.Greet) -> None:
        try:
            spoken = await self._greeted(effect)
        except Exception:
            self.tell(ev.GreetingFailed(effect.episode, Code.TTS_FAILED))  # the conversation begins all the same
            raise
        if spoken:
            self.tell(ev.GreetingFinished(effect.episode))
        else:
            self.tell(ev.GreetingFailed(effect.episode, Code.TTS_FAILED))

    async def _greeted(self, effect: fx.Greet) -> bool:
        """False: there was something to say, and it was not heard."""
        handle = self._welcome.speak(self._speakers.name_of(effect.human.name))
        if handle is None:
            return True
        await handle
        if not handle.chat_items and not handle.interrupted:
            return False
        self._think_ahead()
        return True

    def _greeted_changed(self) -> None:
        """A job that replaces this one must not greet the same visit again. One that was replaced has no say in it."""
        if self._speech.may_speak():
            thread, greeted = self._prompt_context.thread, sorted(self.machine.greeted)
            work = while_temporary(lambda: self._memory.remember_greeted(thread, greeted))
            self._job_tasks.start("remember-greeted", work)

    def _rebind(self, effect: fx.RebindAgent) -> None:
        agent = self._bindings[effect.agent_id]
        self._prompt_context.bind(agent)
        try:
            self._speech.use(agent.providers)
        except VoiceAgentError as error:
            self.notify(notice_of(error, self.machine.episode))
            self._fail(error)

    def _acknowledge_arrival(self, effect: fx.AcknowledgeArrival) -> None:
        who = effect.human.name or "Somebody"
        self.notify(Notice(level="info", code="arrival", message=f"{who} joined.", episode=effect.episode))

    def _announce_state(self, effect: fx.AnnounceState) -> None:
        self._announcer.announce(
            {
                AgentAttribute.STATE: effect.state,
                AgentAttribute.EPISODE: str(effect.episode),
                AgentAttribute.READY: "1" if effect.ready else "",
                AgentAttribute.MEMORY: self._memory_text(effect.memory),
                AgentAttribute.AGENT_ID: effect.agent_id,
                AgentAttribute.LETTA_AGENT_ID: self._prompt_context.agent.letta_agent_id,
                AgentAttribute.AGENT_NAME: self._prompt_context.agent.name,
                AgentAttribute.SESSION_ID: self._job.session_id,
                AgentAttribute.LEASE_EPOCH: str(effect.lease_epoch),
                AgentAttribute.ERROR: effect.error,
            }
        )

    def _log_only(self, effect: fx.Effect) -> None:
        """The journal has written it down; there is nothing to do in the room."""

    def _leave(self, reason: str) -> None:
        if not self._gone.done():
            self._gone.set_result(reason)

    # --- conversation ---

    async def _heard(self, words: str) -> bool:
        linked = self._speech.session.room_io.linked_participant
        return await self._begin_turn(words, linked.identity if linked else "")

    async def _begin_turn(self, words: str, speaker: str) -> bool:
        """Make it durable and tell the machine. False: nobody is in conversation any more, do not answer."""
        if not self.machine.serving:
            return False
        self._left_open.drop()
        about = self._speakers.about(speaker)
        agent = self._speakers.narrowed(self._prompt_context.agent, about.person_id)
        try:
            thread = await self._prompt_context.hear(about, agent, self.machine.episode)
            context = TurnContext.of(agent, thread, about.session_id, about.person_id)
            turn = await self._turns.begin(context, self.machine.episode, words, speaker)
        except VoiceAgentError as error:
            # What could not be written down would be forgotten: say so instead of pretending.
            self.notify(notice_of(error, self.machine.episode))
            self._speech.session.say(CANNOT_TAKE_NOTE, add_to_chat_ctx=False)
            return False
        return await self._taken(turn)

    async def _taken(self, turn: Turn) -> bool:
        self.tell(ev.TurnStarted(turn.episode, turn.turn_id, turn.session_id))
        wishes = self._forgets.begin(turn)
        if not self.machine.serving or turn.episode != self.machine.episode:
            await self._turns.end_unanswered()  # a reset came between
            return False
        if turn.path is ReplyPath.HYBRID and not wishes:  # Letta has a memory of its own in its prompt: the same facts
            self._recall.begin(turn)
        self._episode_tasks.start("reassure", self._reassure(turn))
        return True

    async def _put_recalled(self, chat_ctx: ChatContext) -> None:
        await self._recall.put_into(chat_ctx, self._prompt_context.who_speaks)

    async def _take_up(self) -> None:
        """The agent before this one is gone in mid-call: what it was asked is answered, or said to be lost."""
        await self._speech.listening.wait()
        if not self._left_open.concerns(self.machine.humans):
            return  # something else was said meanwhile
        asked = self._left_open.take(self.machine.humans)
        turn = None if asked is None else await self._turns.take_up(asked, self.machine.episode)
        if turn is None:
            self._speech.session.say(LOST, add_to_chat_ctx=False)
        elif await self._taken(turn):
            self._speech.session.generate_reply(user_input=turn.user_text)

    async def _reassure(self, turn: Turn) -> None:
        await asyncio.sleep(_SLOW_AFTER)
        if self._turns.reassured(turn):
            self.notify(slow_answer(turn.episode))

    def _own_answer(self) -> AsyncGenerator[str, None] | None:
        turn = self._turns.answering
        if turn is None or turn.path is not ReplyPath.LETTA:
            return None
        return letta_answer(self._memory, turn, self._prompt_context.agent, self._letta_failed)

    def _letta_failed(self, error: VoiceAgentError) -> str:
        self.notify(notice_of(error, self.machine.episode))
        return NO_ANSWER

    def _turn_ended(self, turn: Turn) -> None:
        self.tell(ev.TurnFinished(turn.episode, turn.turn_id, turn.session_id))
        if self.machine.serving and turn.episode == self.machine.episode:
            self._episode_tasks.start("between-turns", self._between_turns())

    async def _between_turns(self) -> None:
        forgotten = await self._forgets.clean()
        if await self._prompt_context.compact() or forgotten:
            self._speech.forget()
        self._recall.refresh(*self._prompt_context.whose)
        self._think_ahead()

    def _agent_state_changed(self, event: AgentStateChangedEvent) -> None:
        if event.new_state == "speaking":
            self._turns.answered()

    def _provider_failed(self, event: ErrorEvent) -> None:
        """The ears, the brain or the voice gave up on something: say so, in words and in the page."""
        trouble = provider_error_of(event)
        if trouble is None:
            return
        self._turns.answered()
        self.notify(trouble.notice(self.machine.episode))
        if trouble.apology and self.machine.humans:
            self._speech.session.say(trouble.apology, add_to_chat_ctx=False)

    # --- helpers ---

    def notify(self, notice: Notice, to: str = "") -> None:
        """Told to everybody, or to one."""
        self._journal.write(LogEvent.NOTICE, severity=notice.level, code=notice.code)
        self._job_tasks.start("notice", self._announcer.notify(notice, to))

    def _show_recalled(self, note: RecallNote, to: str) -> None:
        self._job_tasks.start("recall-note", self._announcer.show_recalled(note, to))

    def _memory_text(self, memory: MemoryState) -> str:
        if memory is MemoryState.STALE and (snapshot := self._prompt_context.snapshot) is not None:
            return f"stale:{snapshot.loaded_at.isoformat(timespec='seconds')}"
        return str(memory)

    def task_failed(self, task: str, error: BaseException) -> None:
        """A task or an effect failed: how bad that is stands in criticality.py."""
        rule, known = rule_of(task), as_ours(task, error)
        self._journal.write(LogEvent.TASK_FAILED, task=task, weight=rule.weight.value, **known.as_dict())
        if rule.weight is Weight.ESSENTIAL:
            self._fail(known)
        elif rule.said:
            code = known.code
            self.notify(
                Notice(level="warning", code=code, message=rule.said, remedy=known.remedy, episode=self.machine.episode)
            )

    def _fail(self, error: VoiceAgentError) -> None:
        """The first reason is the one that counts."""
        self._failure = self._failure or error
        self.tell(ev.Failure(error.code, error.message))

    async def _close(self) -> None:
        self._events.detach()
        if self.machine.state is not State.CLOSED:  # livekit may say so too late for us, or not at all
            self.tell(ev.RoomDisconnected(self._gone.result() if self._gone.done() else "cancelled"))
        self._driver.close()
        await self._episode_tasks.stop()
        await self._turns.end_unanswered()
        await self._speech.close()
        await self._turn_tasks.finish()
        await self._job_tasks.stop()
        for waiter in self._reset_waiters:
            waiter.cancel()
