"""Effects of the lifecycle machine, performed in a room: one method for each, found by the two tables at the end.

The machine decides which effects follow an event; this module performs them. An effect that takes time is a task, and
tells the machine its end as an event if the machine waits for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from enum import Enum
from typing import Any, Final

from voice_agent.contracts import AgentAttribute, AgentBinding, JobMetadata, Notice, StatusAnswer
from voice_agent.conversation.announcer import Announcer
from voice_agent.conversation.answers_ahead import AnswersAhead
from voice_agent.conversation.callers import Callers
from voice_agent.conversation.driver import Driver
from voice_agent.conversation.left_open import LeftOpen
from voice_agent.conversation.prompt_context import PromptContext
from voice_agent.conversation.prompt_prewarmer import PromptPrewarmer
from voice_agent.conversation.provider_errors import notice_of, truncated_block
from voice_agent.conversation.retries import while_temporary
from voice_agent.conversation.speakers import Speakers
from voice_agent.conversation.speech_session import SpeechSession
from voice_agent.conversation.supervision import Supervision
from voice_agent.conversation.turns import Turns
from voice_agent.conversation.welcome import Welcome
from voice_agent.errors import Code, VoiceAgentError
from voice_agent.lifecycle import effects as fx
from voice_agent.lifecycle import events as ev
from voice_agent.lifecycle.states import Memory as MemoryState
from voice_agent.lifecycle.states import State
from voice_agent.lifecycle.timing import Timing
from voice_agent.memory.access import Memory
from voice_agent.memory.model import Snapshot
from voice_agent.providers.warm_recogniser import warm_recogniser

_LOAD_DEADLINE: Final = Timing().reset_deadline * 0.75
"""Leaves time for the rest of a reset."""
_RETRY_DEADLINE: Final = 10.0
_SOMEBODY_WAITS_FOR_MEMORY: Final = (State.STARTING, State.LOADING_MEMORY, State.RESETTING)


class Effects:
    def __init__(
        self,
        driver: Driver,
        supervision: Supervision,
        job: JobMetadata,
        speech: SpeechSession,
        memory: Memory,
        prompt_context: PromptContext,
        turns: Turns,
        left_open: LeftOpen,
        callers: Callers,
        speakers: Speakers,
        announcer: Announcer,
        welcome: Welcome,
        prewarmer: PromptPrewarmer,
        answers_ahead: AnswersAhead,
        memory_refresh: float,
    ) -> None:
        self._driver = driver
        self._machine = driver.machine
        self._supervision = supervision
        self._job = job
        self._speech = speech
        self._memory = memory
        self._prompt_context = prompt_context
        self._turns = turns
        self._left_open = left_open
        self._callers = callers
        self._speakers = speakers
        self._announcer = announcer
        self._welcome = welcome
        self._prewarmer = prewarmer
        self._answers_ahead = answers_ahead
        self._memory_refresh = memory_refresh
        self._bindings = {job.agent.agent_id: job.agent}
        self._reset_waiters: list[asyncio.Future[StatusAnswer]] = []
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Why the assistant left the room."""

    # --- called by the driver ---

    def perform_safely(self, effect: fx.Effect) -> None:
        """The effects after one that fails are performed all the same."""
        try:
            self.perform(effect)
        except Exception as error:  # noqa: BLE001
            self._supervision.failed(type(effect).__name__, error)

    def perform(self, effect: fx.Effect) -> None:
        kind = type(effect)
        if kind in AT_ONCE:
            AT_ONCE[kind](self, effect)
        else:
            of, work = AS_TASKS[kind]
            self._begin(effect, of, work(self, effect))

    def _begin(self, effect: fx.Effect, of: Of, work: Coroutine[Any, Any, None]) -> None:
        """Start it as a task; its outcome is logged even if it never ran."""
        started = time.monotonic()

        def ended(task: asyncio.Task[Any]) -> None:
            outcome = "cancelled" if task.cancelled() else "failed" if task.exception() else "ok"
            self._driver.journal.performed(effect, outcome, time.monotonic() - started)

        owner = self._supervision.job_tasks if of is Of.JOB else self._supervision.episode_tasks
        owner.start(type(effect).__name__, work).add_done_callback(ended)

    def remember_greeted(self) -> None:
        """A job that replaces this one must not greet the same visit again. A job without the lease stores nothing."""
        if self._speech.may_speak():
            thread, greeted = self._prompt_context.thread, sorted(self._machine.greeted)
            work = while_temporary(lambda: self._memory.remember_greeted(thread, greeted))
            self._supervision.job_tasks.start("remember-greeted", work)

    def end(self, reason: str) -> None:
        if not self.ended.done():
            self.ended.set_result(reason)

    # --- memory ---

    async def load_memory(self, effect: fx.LoadMemory) -> None:
        awaited = self._machine.state in _SOMEBODY_WAITS_FOR_MEMORY
        self._welcome.look_back()
        result = await self._prompt_context.load(effect.episode, _LOAD_DEADLINE if awaited else _RETRY_DEADLINE)
        await self._take_memory(result.snapshot)
        tasks = self._supervision.episode_tasks
        tasks.start("warm-recogniser", warm_recogniser(self._speech.stt_endpoint))
        tasks.start("prepare-greeting", self._welcome.prepare(self._speakers.expected_name))
        if result.error is None:
            tasks.start("follow-memory", self._follow_memory(effect.episode))
            self._driver.tell(ev.MemoryLoaded(effect.episode))
        elif result.error.code is Code.AGENT_NOT_FOUND:
            self._supervision.fail(result.error)
        else:
            self._driver.tell(ev.MemoryLoadFailed(effect.episode, result.error.code, result.snapshot is not None))

    async def _take_memory(self, snapshot: Snapshot | None) -> None:
        for label in await self._prompt_context.take(snapshot):
            self._supervision.notices.notify(truncated_block(label, self._machine.episode))
        self._turns.refresh_recall()
        self._prewarmer.start()
        self._answers_ahead.start()

    async def _follow_memory(self, episode: int) -> None:
        """Take what others change in Letta into the running episode, too."""
        changed = await self._prompt_context.next_change(self._memory_refresh)
        if self._machine.state is State.READY:
            self._driver.tell(ev.SyncFinished(changed=True))  # a whole load follows, which starts the next watch
            return
        await self._take_memory(changed)
        self._supervision.episode_tasks.start("follow-memory", self._follow_memory(episode))

    async def allow_reflection(self, _: fx.AllowReflection) -> None:
        await self._prompt_context.allow_reflection()

    # --- the end of an episode, and a new one ---

    async def stop_speech(self, effect: fx.StopSpeech) -> None:
        await self._speech.interrupt()
        self._driver.tell(ev.SpeechStopped(effect.episode))

    async def cancel_episode_tasks(self, effect: fx.CancelEpisodeTasks) -> None:
        await self._supervision.episode_tasks.stop()
        self._driver.tell(ev.TasksEnded(effect.episode))

    async def clear_history(self, effect: fx.ClearHistory) -> None:
        await self._turns.end_episode(kept=bool(self._machine.data.lost))
        self._welcome.episode_ended()
        self._driver.tell(ev.HistoryCleared(effect.episode))

    def reset_answer(self) -> asyncio.Future[StatusAnswer]:
        """A future that the next `AcknowledgeReset` sets."""
        waiter: asyncio.Future[StatusAnswer] = asyncio.get_running_loop().create_future()
        self._reset_waiters.append(waiter)
        return waiter

    def acknowledge_reset(self, _: fx.AcknowledgeReset) -> None:
        waiters, self._reset_waiters = self._reset_waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(self.status())

    def close(self) -> None:
        for waiter in self._reset_waiters:
            waiter.cancel()

    async def resume(self, _: fx.Resume) -> None:
        await self._turns.resume()

    # --- people ---

    def link_to(self, effect: fx.LinkTo) -> None:
        self._speech.listen_to(effect.human.identity)
        self._memory.look_now()
        if self._left_open.concerns(self._machine.humans):
            self._supervision.episode_tasks.start("take-up", self._turns.take_up())
        else:
            self._left_open.drop()

    def rescan(self, _: fx.Rescan) -> None:
        self._driver.tell(ev.HumansScanned(self._callers.scan()))

    def acknowledge_arrival(self, effect: fx.AcknowledgeArrival) -> None:
        who = effect.human.name or "Somebody"
        notice = Notice(level="info", code="arrival", message=f"{who} joined.", episode=effect.episode)
        self._supervision.notices.notify(notice)

    async def greet(self, effect: fx.Greet) -> None:
        try:
            spoken = await self._greeted(effect)
        except Exception:  # the conversation begins all the same
            self._driver.tell(ev.GreetingFailed(effect.episode, Code.TTS_FAILED))
            raise
        if spoken:
            self._driver.tell(ev.GreetingFinished(effect.episode))
        else:
            self._driver.tell(ev.GreetingFailed(effect.episode, Code.TTS_FAILED))

    async def _greeted(self, effect: fx.Greet) -> bool:
        """False: there was a greeting, and it was not heard."""
        await self._prompt_context.drop_forgotten()
        handle = self._welcome.speak(self._speakers.name_of(effect.human.name))
        if handle is None:
            return True
        await handle
        if not handle.chat_items and not handle.interrupted:
            return False
        self._prewarmer.start()
        return True

    # --- the agent of the room ---

    def know(self, agent: AgentBinding) -> None:
        """Register an agent that a later `RebindAgent` may name."""
        self._bindings[agent.agent_id] = agent

    def rebind_agent(self, effect: fx.RebindAgent) -> None:
        agent = self._bindings[effect.agent_id]
        self._prompt_context.bind(agent)
        try:
            self._speech.use(agent.providers)
        except VoiceAgentError as error:
            self._supervision.notices.notify(notice_of(error, self._machine.episode))
            self._supervision.fail(error)

    def announce_state(self, effect: fx.AnnounceState) -> None:
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

    def leave_room(self, effect: fx.LeaveRoom) -> None:
        self.end(effect.reason)

    def start_timer(self, effect: fx.StartTimer) -> None:
        self._driver.start_timer(effect)

    def cancel_timer(self, effect: fx.CancelTimer) -> None:
        self._driver.cancel_timer(effect.timer)

    def dropped(self, _: fx.Dropped) -> None:
        """The journal has logged it; there is nothing to do in the room."""

    def status(self) -> StatusAnswer:
        machine = self._machine
        memory = self._memory_text(machine.memory)
        return StatusAnswer(state=machine.state, episode=machine.episode, memory=memory, agent_id=machine.agent_id)

    def _memory_text(self, memory: MemoryState) -> str:
        if memory is MemoryState.STALE and (snapshot := self._prompt_context.snapshot) is not None:
            return f"stale:{snapshot.loaded_at.isoformat(timespec='seconds')}"
        return str(memory)


class Of(Enum):
    """Owner of a task: one of the episode is cancelled by the next reset."""

    JOB = "job"
    EPISODE = "episode"


AS_TASKS: Final[Mapping[type[fx.Effect], tuple[Of, Callable[[Effects, Any], Coroutine[Any, Any, None]]]]] = {
    fx.LoadMemory: (Of.EPISODE, Effects.load_memory),
    fx.StopSpeech: (Of.JOB, Effects.stop_speech),
    fx.CancelEpisodeTasks: (Of.JOB, Effects.cancel_episode_tasks),
    fx.ClearHistory: (Of.JOB, Effects.clear_history),
    fx.Greet: (Of.EPISODE, Effects.greet),
    fx.Resume: (Of.EPISODE, Effects.resume),
    fx.AllowReflection: (Of.JOB, Effects.allow_reflection),
}
AT_ONCE: Final[Mapping[type[fx.Effect], Callable[[Effects, Any], None]]] = {
    fx.AcknowledgeReset: Effects.acknowledge_reset,
    fx.LinkTo: Effects.link_to,
    fx.AcknowledgeArrival: Effects.acknowledge_arrival,
    fx.Rescan: Effects.rescan,
    fx.AnnounceState: Effects.announce_state,
    fx.LeaveRoom: Effects.leave_room,
    fx.RebindAgent: Effects.rebind_agent,
    fx.StartTimer: Effects.start_timer,
    fx.CancelTimer: Effects.cancel_timer,
    fx.Dropped: Effects.dropped,
}
