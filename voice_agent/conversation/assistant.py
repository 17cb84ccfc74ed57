"""VoiceAssistant: one assistant in one room, from the job's start to its end.

`lifecycle` decides what follows each event (`Driver` tells it events), `Effects` performs that, `Turns` owns what is
said and answered, `Supervision` the tasks and their failures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from livekit import rtc

from voice_agent.contracts import AgentBinding, JobMetadata, StatusAnswer
from voice_agent.conversation.announcer import Announcer
from voice_agent.conversation.answers_ahead import AnswersAhead
from voice_agent.conversation.callers import Callers, Sessions
from voice_agent.conversation.driver import Driver
from voice_agent.conversation.effects import Effects
from voice_agent.conversation.left_open import ANSWERED_WITHIN, LeftOpen
from voice_agent.conversation.livekit_agent import LiveKitAgent
from voice_agent.conversation.prompt_context import PromptContext
from voice_agent.conversation.prompt_prewarmer import PromptPrewarmer
from voice_agent.conversation.room_events import RoomEvents
from voice_agent.conversation.speakers import Speakers
from voice_agent.conversation.speech_session import SpeechSession
from voice_agent.conversation.supervision import Supervision
from voice_agent.conversation.turns import Turns
from voice_agent.conversation.welcome import Welcome
from voice_agent.errors import Code
from voice_agent.lifecycle import events as ev
from voice_agent.lifecycle.machine import Machine
from voice_agent.lifecycle.states import State
from voice_agent.lifecycle.timing import Timing
from voice_agent.memory.access import Memory
from voice_agent.observe.journal import Journal
from voice_agent.observe.log import BoundLog
from voice_agent.rooms.leases import Health, health_of

_RESET_ANSWER: Final = Timing().reset_deadline + 10.0


class VoiceAssistant:
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
        self._driver = driver = Driver(Journal(log, self.machine))
        self._announcer = announcer = Announcer(room)
        self.supervision = supervision = Supervision(driver, announcer)
        self.callers = Callers(room, sessions, supervision.job_tasks, log)
        self._events = RoomEvents(room, self.callers, driver)
        self._agent = LiveKitAgent()
        context = PromptContext(memory, self._agent, job)
        speakers, left_open = Speakers(room, job), LeftOpen(room)
        prewarmer = PromptPrewarmer(supervision.episode_tasks, speech, self._agent, context)
        self.turns = Turns(driver, supervision, speech, memory, context, speakers, left_open, prewarmer, log)
        self._agent.attach(self.turns)
        self._effects = Effects(
            driver=driver,
            supervision=supervision,
            job=job,
            speech=speech,
            memory=memory,
            prompt_context=context,
            turns=self.turns,
            left_open=left_open,
            callers=self.callers,
            speakers=speakers,
            announcer=announcer,
            welcome=Welcome(speech, memory, context, supervision.episode_tasks, enabled=greet),
            prewarmer=prewarmer,
            answers_ahead=AnswersAhead(supervision.episode_tasks, speech, memory, context),
            memory_refresh=memory_refresh,
        )
        driver.attach(self._effects)

    async def open(self) -> None:
        """Continue where the last job of this thread stopped. Must come before any other event."""
        known = await self._memory.open(self._job, ANSWERED_WITHIN, await self._sessions.all())
        self.turns.open(known)
        self.tell(ev.JobStarted(known.episode, self._job.agent.agent_id, self._job.held_epoch, known.greeted))

    async def listen(self) -> None:
        """Start the speech session, which waits for the room itself. Must be over before `run`."""
        await self._speech.start(self._agent)

    async def run(self) -> str:
        """Run in a connected room until the assistant has left it. Returns the reason; raises its failure."""
        self._events.attach()
        self.turns.attach()
        job_tasks = self.supervision.job_tasks
        job_tasks.start("announce", self._announcer.run())
        try:
            job_tasks.start("publish-voice", self._speech.publish())
            self.tell(ev.RoomConnected(self.callers.present()))
            why = await asyncio.shield(self._effects.ended)
        finally:
            await self.close()
        if self.supervision.failure is not None:
            raise self.supervision.failure
        return why

    def announce(self, attributes: Mapping[str, str]) -> None:
        """Published with the first state."""
        self._announcer.announce(attributes)

    def tell(self, event: ev.Event) -> None:
        self._driver.tell(event)

    async def reset_for_reconnect(self, reason: str = "manual") -> StatusAnswer:
        """Reset the assistant for the next visit; returns when that is done.

        Cancels the episode's tasks and waits for their end, clears local history, raises the episode and reloads
        memory. The machine does the same by itself when the last human leaves; a call meanwhile joins that reset.
        """
        waiter = self._effects.reset_answer()
        self.tell(ev.ResetRequested(reason))
        async with asyncio.timeout(_RESET_ANSWER):
            return await waiter

    def switch_agent(self, agent: AgentBinding) -> None:
        """Let another assistant answer in this room, once that is safe. Its id is published before it is ready."""
        self._effects.know(agent)
        self.tell(ev.SwitchAgentRequested(agent.agent_id))

    def status(self) -> StatusAnswer:
        return self._effects.status()

    def health(self) -> Health:
        """Sent with every lease renewal: an agent may be present and yet not work."""
        if self.supervision.failure is not None:
            return health_of(self.supervision.failure)
        if self.machine.state is State.FAILED:
            return Health(Code.AGENT_FAILS, why=self.machine.error)
        return Health(silent_for=self.turns.silent_for)

    async def shutdown(self, reason: str) -> None:
        """Leave the room because the job must end, and wait until that is done."""
        if not self._effects.ended.done():
            self.tell(ev.ShutdownRequested(reason or "shutdown"))
            await asyncio.shield(self._effects.ended)

    async def close(self) -> None:
        self._events.detach()
        ended = self._effects.ended
        if self.machine.state is not State.CLOSED:  # livekit may report it too late, or not at all
            self.tell(ev.RoomDisconnected(ended.result() if ended.done() else "cancelled"))
        self._driver.close()
        await self.supervision.episode_tasks.stop()
        await self.turns.close()
        await self._speech.close()
        await self.supervision.turn_tasks.finish()
        await self.supervision.job_tasks.stop()
        self._effects.close()
