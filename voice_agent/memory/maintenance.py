"""Letta's own memory tools at work on what was said: at quiet moments and after episodes, never in anybody's ear.

The agent is given the new transcript in a conversation that is thrown away; what it answers is not a turn. On our
models the work runs under a name that yields to conversations, so it may be sent away and is tried again later.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from voice_agent.contracts import LogEvent
from voice_agent.errors import Temporary, VoiceAgentError
from voice_agent.memory.drainer import AgentLocks
from voice_agent.memory.homes import Homes
from voice_agent.memory.model import LettaPort, Turn
from voice_agent.memory.outbox import Outbox
from voice_agent.memory.threads import Threads, Unsettled
from voice_agent.observe.log import ReconnectLog

TRANSCRIPT_CHARS: Final = 12_000
"""Of the newest words; what is older has been in Letta's conversation for long."""
_TRY_AGAIN: Final = 60.0
_INSTRUCTION: Final = (
    "This is not a message from a person. Below is the transcript of a voice conversation you have just had. If it "
    "tells you something lasting about the person or about your tasks that your memory blocks do not hold yet, or "
    "corrects them, write it there with your memory tools. Change nothing else. Then answer 'Done.'\n\n<transcript>\n"
)


class Maintenance:
    def __init__(
        self,
        outbox: Outbox,
        threads: Threads,
        homes: Homes,
        letta: LettaPort,
        log: ReconnectLog,
        locks: AgentLocks,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._outbox = outbox
        self._threads = threads
        self._homes = homes
        self._letta = letta
        self._log = log
        self._locks = locks
        self._clock = clock
        self._not_before: dict[str, float] = {}

    async def run_due(self) -> None:
        """Work through all threads for which it was asked, once each."""
        for what in await self._threads.unsettled():
            if self._clock() < self._not_before.get(what.thread, 0.0):
                continue
            try:
                await self._settle(what)
                self._not_before.pop(what.thread, None)
            except Temporary as error:
                self._not_before[what.thread] = self._clock() + _TRY_AGAIN
                self._report(what, error)
            except VoiceAgentError as error:
                await self._threads.settled(what)  # asking again would not help; the transcript stays in Letta
                self._report(what, error)

    async def _settle(self, what: Unsettled) -> None:
        turns = await self._outbox.between(what.thread, what.after, what.upto)
        for person_id in dict.fromkeys(turn.person_id for turn in turns):
            await self._tend(what.letta_agent_id, [turn for turn in turns if turn.person_id == person_id])
        await self._threads.settled(what)

    async def _tend(self, letta_agent_id: str, turns: Sequence[Turn]) -> None:
        """In the home of the one person who said them, so that what is written down stays there."""
        home = await self._homes.ensure(letta_agent_id, turns[0].person_id, turns[0].speaker)
        async with self._locks.of(home):
            before = await self._letta.load_blocks(home)
            await self._letta.reflect(home, instruction(turns))
            after = await self._letta.load_blocks(home)
        line = self._log.bind(agent=letta_agent_id, session=turns[-1].session_id)
        line.write(LogEvent.MEMORY_TENDED, turns=len(turns), changed=after.version != before.version)

    def _report(self, what: Unsettled, error: VoiceAgentError) -> None:
        self._log.bind(agent=what.letta_agent_id).write(LogEvent.MEMORY_FAILED, what="maintenance", **error.as_dict())


def instruction(turns: Sequence[Turn]) -> str:
    lines: list[str] = []
    room_left = TRANSCRIPT_CHARS
    for turn in reversed(turns):
        line = f"{turn.speaker or 'They'}: {turn.user_text}\nYou: {turn.assistant_text}"
        if len(line) > room_left:
            lines.append("[what was said before is left out]")
            break
        room_left -= len(line)
        lines.append(line)
    return _INSTRUCTION + "\n".join(reversed(lines)) + "\n</transcript>"
