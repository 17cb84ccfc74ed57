"""Greeting of one assistant: its text, decided while memory is loaded, and its audio, synthesized ahead."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from livekit.agents.voice import SpeechHandle

from voice_agent import clock
from voice_agent.conversation.greeter import Greeter
from voice_agent.conversation.greeting import follow_up, greeting_text, name_told
from voice_agent.conversation.prompt_context import PromptContext
from voice_agent.conversation.speech_session import SpeechSession
from voice_agent.conversation.tasks import OwnedTasks
from voice_agent.conversation.where_we_were import BACK_SOON, where_we_were
from voice_agent.languages import ENGLISH
from voice_agent.memory.access import Memory

_PATIENCE: Final = 1.0
"""Seconds that reading the facts may take; after that the greeting uses none."""


class Welcome:
    def __init__(
        self,
        speech: SpeechSession,
        memory: Memory,
        prompt_context: PromptContext,
        tasks: OwnedTasks,
        *,
        enabled: bool,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._speech = speech
        self._greeter = Greeter(speech)
        self._prompt_context = prompt_context
        self._memory = memory
        self._tasks = tasks
        self._enabled = enabled
        self._now = now
        self._looking: asyncio.Task[None] | None = None
        self._knows = False
        self._follow_up = ""
        self._name = ""
        """Name that the person told, used where no other name is known."""
        self._said: set[str] = set()
        """Questions that this job does not ask again: a person who was cut off for a minute has answered them."""
        self._ended: tuple[str, float] | None = None
        """Thread of the last episode, and when it ended."""

    def episode_ended(self) -> None:
        self._ended = self._prompt_context.thread, self._now()

    def look_back(self) -> None:
        """Called as memory begins to load: the facts are read beside it, and the load does not wait for them."""
        self._looking, self._knows, self._follow_up, self._name = None, False, "", ""
        greets = self._enabled and self._prompt_context.agent.greeting is None
        # In a shared room it is not known who will hear it.
        if greets and not self._prompt_context.policy.of_several:
            self._looking = self._tasks.start("look-back", self._look_back())

    async def _look_back(self) -> None:
        recall = self._memory.recall(*self._prompt_context.whose)
        looked = (await asyncio.gather(asyncio.wait_for(recall.look(), _PATIENCE), return_exceptions=True))[0]
        if isinstance(looked, BaseException):  # the plain greeting is used
            return
        known = recall.known
        self._knows = bool(known)
        self._name = name_told(known)
        # Facts are kept in English, and what is asked about them can be said in English only.
        asked = follow_up(known, clock.today()) if self._prompt_context.language is ENGLISH else ""
        self._follow_up = "" if asked in self._said else asked

    async def prepare(self, name: str) -> None:
        """Synthesize the greeting for the person who is expected."""
        if self._looking is not None and not self._looking.done():  # else at once: the greeting may be spoken next
            await asyncio.wait({self._looking})
        texts = filter(None, (self._where_we_were(), self._greeting(name)))
        await self._greeter.prepare(*texts)

    def speak(self, name: str) -> SpeechHandle | None:
        """Speak the greeting by what is known by now, or where they were. None: nothing is to be said."""
        text = self.text(name)
        if not text:
            return None
        if self._follow_up and self._follow_up in text:
            self._said.add(self._follow_up)
        return self._greeter.speak(self._speech.session, text)

    def text(self, name: str) -> str:
        return self._where_we_were() or self._greeting(name)

    def _where_we_were(self) -> str:
        """Empty: nothing is to be said, or the person was away for longer."""
        context = self._prompt_context
        greets = self._enabled and context.agent.greeting != ""
        # In a shared room it is not known who will hear it.
        if not greets or context.policy.of_several or not self._left_just_now():
            return ""
        return where_we_were(context.earlier, context.language.sentences)

    def _left_just_now(self) -> bool:
        """By the end of the episode that this job saw, else by when the person last said something."""
        turns, ended = self._prompt_context.earlier, self._ended
        if not turns:
            return False
        if ended is not None and ended[0] == self._prompt_context.thread:
            return self._now() - ended[1] <= BACK_SOON
        said_at = turns[-1].created_at
        return said_at is not None and (clock.now() - said_at).total_seconds() <= BACK_SOON

    def _greeting(self, name: str) -> str:
        return greeting_text(
            self._prompt_context.agent,
            user_name=name or self._name,
            returning=self._knows or self._prompt_context.of_earlier_visits,
            enabled=self._enabled,
            follow_up=self._follow_up,
            sentences=self._prompt_context.language.sentences,
        )
