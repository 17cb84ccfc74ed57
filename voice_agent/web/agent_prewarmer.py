"""Prewarmer of the assistants, for local models: the prompt that every conversation with an assistant begins with is
read into the prompt cache, and what it says often is synthesized: its greetings for somebody without a name, and
that something was not told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from pydantic import ValidationError

from voice_agent.contracts import AgentBinding, MemoryScope, ReplyPath
from voice_agent.errors import Code, VoiceAgentError
from voice_agent.languages import find
from voice_agent.languages.greetings import greeting
from voice_agent.memory.audience import Listener
from voice_agent.memory.model import LettaPort
from voice_agent.memory.prompt import build_prompt
from voice_agent.memory.recall.second_look import messages
from voice_agent.providers import endpoints
from voice_agent.providers.local_server import CHECK_AHEAD, SAVED_PROMPTS, SHARED_PROMPT
from voice_agent.providers.prewarm import prewarm, prewarm_speech
from voice_agent.registry.agents import AgentRegistry
from voice_agent.registry.binding import binding_of
from voice_agent.registry.config import AgentConfig
from voice_agent.registry.model import Agent
from voice_agent.registry.people import OWNER
from voice_agent.settings import Settings

_SOON: Final = 5.0
"""Pause after a failure: a conversation had priority, or Letta or the model is still starting. Other services report
what is wrong with them."""
_SELDOM: Final = 60.0
"""Pause after a success: agents and their memory change, and a cached prompt costs one request."""
_AT_REST: Final = 960.0
"""Longest pause. Letta takes tenths of a second to list its agents, so the pause grows while nothing changes."""


class AgentPrewarmer:
    def __init__(
        self,
        settings: Settings,
        agents: AgentRegistry,
        letta: LettaPort,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._agents = agents
        self._letta = letta
        self._sleep = sleep
        self._prompts: dict[str, str] = {}
        """Agent id → its shared prompt at the last look."""

    async def run(self) -> None:
        """Until cancelled."""
        pause = _SOON
        while True:
            before = dict(self._prompts)
            everybody = await self.prepare()
            soonest, latest = (_SELDOM, _AT_REST) if everybody else (_SOON, _SELDOM)
            pause = min(max(2 * pause, soonest), latest) if self._prompts == before else soonest
            await self._sleep(pause)

    async def prepare(self) -> bool:
        """Prewarms all prompts. False: there is no agent yet, or a prompt failed; to be tried again."""
        try:
            agents = (await self._agents.list()).agents
        except VoiceAgentError:
            return False
        self._prompts = {
            agent.id: self._prompts.get(agent.id, "") for agent in agents[:SAVED_PROMPTS] if agent.available
        }
        if not self._prompts:
            return False
        chosen = [agent for agent in agents[:SAVED_PROMPTS] if agent.available]
        try:
            # First the check: until it is read, recall answers wrongly. Then what anybody hears first, which takes less
            # than to read the prompts, without which answers are late.
            await self._read_check()
            done = [await self._each(agent, step) for step in (self._say, self._read) for agent in chosen]
        except VoiceAgentError:
            return False
        return all(done)

    async def _read_check(self) -> None:
        """Prewarms the prompt of the second look at recalled facts (memory/recall/second_look.py)."""
        await prewarm(endpoints.llm(self._settings), messages(("The user has a cat.",), ""), priority=CHECK_AHEAD)

    async def _each(self, agent: Agent, step: Callable[[AgentBinding], Awaitable[None]]) -> bool:
        """Raises `Temporary` if a conversation came first: the next attempt goes on where this one was stopped, unless
        another prompt is read meanwhile."""
        try:
            config = AgentConfig.model_validate(agent.config)
            await step(binding_of(agent, config, None, MemoryScope.READ_ONLY, self._settings.language))
        except VoiceAgentError as error:
            if error.code is Code.MODEL_BUSY:
                raise
            return False
        except ValidationError:
            return True  # nothing to prewarm; a caller that picks the assistant gets the error
        return True

    async def _say(self, agent: AgentBinding) -> None:
        sentences = find(agent.language).sentences
        often = [sentences.not_told_that]
        if self._settings.greeting:
            often += [greeting(sentences, agent.name, agent.greeting, returning=back) for back in (False, True)]
        for text in dict.fromkeys(filter(None, often)):
            await prewarm_speech(endpoints.tts(self._settings, agent.providers.tts), text)

    async def _read(self, agent: AgentBinding) -> None:
        llm_endpoint = endpoints.llm(self._settings, agent.providers.llm)
        if not llm_endpoint.local or agent.reply_path is not ReplyPath.HYBRID:
            return
        # The most likely listener: the owner where only this machine can call, else a stranger.
        listener = Listener.of("" if self._settings.admin_secret else OWNER, agent.audience)
        blocks = listener.of_assistant(await self._letta.load_blocks(agent.letta_agent_id))
        prompt = build_prompt(agent, blocks, language=find(agent.language)).text
        self._prompts[agent.agent_id] = prompt
        many = replace(llm_endpoint, conversation=agent.agent_id)
        await prewarm(many, [{"role": "system", "content": prompt}], priority=SHARED_PROMPT)
