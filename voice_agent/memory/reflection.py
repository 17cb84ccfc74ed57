"""Reflection: Letta's own memory tools at work on what was said, at quiet moments and after episodes.

The agent gets the new transcript in a conversation that is deleted afterwards; its answer is neither spoken nor a turn.
On our models the work runs under a name that yields to conversations, so it may be rejected and is retried, a bounded
number of times. It writes to blocks of its own: our block of facts is read-only for Letta's tools
(`LettaPort.set_block`), so each fact is stored once.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final

from voice_agent.contracts import LogEvent
from voice_agent.errors import Code, Temporary, VoiceAgentError
from voice_agent.memory.drainer import AgentLocks
from voice_agent.memory.facts.store import FactStore
from voice_agent.memory.homes import Homes
from voice_agent.memory.model import FACTS, Block, LettaPort, Snapshot, Turn
from voice_agent.memory.outbox import Outbox
from voice_agent.memory.threads import DueReflection, Threads
from voice_agent.observe.log import ReconnectLog
from voice_agent.prompt_text import quoted

TRANSCRIPT_CHARS: Final = 12_000
"""Of the newest words; older ones have been in Letta's conversation for long."""
_SPEAKER_CHARS: Final = 80
_TRY_AGAIN: Final = 60.0
_REPEATS: Final = 3
"""Retries of a failed attempt for the same turns; counted per process."""
_IN_VAIN: Final = 3
"""Consecutive attempts that changed nothing although facts were told, after which a notice is logged."""
_INSTRUCTION: Final = (
    "This is not a message from a person. Below is the transcript of a voice conversation you have just had. If it "
    "tells you something lasting about the person or about your tasks that your memory blocks do not hold yet, or "
    "corrects them, write it there with your memory tools. Change nothing else. Then answer 'Done.'\n\n<transcript>\n"
)


class Reflection:
    def __init__(
        self,
        outbox: Outbox,
        threads: Threads,
        homes: Homes,
        letta: LettaPort,
        log: ReconnectLog,
        locks: AgentLocks,
        clock: Callable[[], float] = time.monotonic,
        *,
        facts: FactStore,
        enabled: bool,
    ) -> None:
        """`enabled`: whether the language model can use Letta's tools. Calls of a small local one fail."""
        self._outbox = outbox
        self._threads = threads
        self._homes = homes
        self._letta = letta
        self._log = log
        self._locks = locks
        self._clock = clock
        self._facts = facts
        self._enabled = enabled
        self._not_before: dict[str, float] = {}
        self._failed: dict[tuple[str, int], int] = {}
        """Failed attempts for the turns of a thread behind this one."""
        self._in_vain: defaultdict[str, int] = defaultdict(int)

    async def run_due(self) -> None:
        """Reflect on each thread for which it is due, once."""
        if not self._enabled:
            return
        for what in await self._threads.due_reflections():
            if self._clock() < self._not_before.get(what.thread, 0.0):
                continue
            try:
                await self._reflect(what)
                self._not_before.pop(what.thread, None)
                self._failed.pop((what.thread, what.after), None)
            except Temporary as error:
                await self._try_again(what, error)
            except VoiceAgentError as error:
                await self._threads.reflected(what)  # a retry would not help; the transcript stays in Letta
                self._report(what, error)

    async def _try_again(self, what: DueReflection, error: Temporary) -> None:
        if error.code is Code.DATABASE_UNAVAILABLE:
            raise error
        turns = what.thread, what.after
        self._failed[turns] = failed = self._failed.get(turns, 0) + 1
        if failed <= _REPEATS:
            self._not_before[what.thread] = self._clock() + _TRY_AGAIN
            self._report(what, error)
            return
        await self._threads.reflected(what)
        self._failed.pop(turns, None)
        self._not_before.pop(what.thread, None)
        self._notice(
            what.letta_agent_id,
            error.code,
            f"Letta's own work on memory failed {failed} times and is given up for what was said: {error.message}",
            "Facts are kept without it. Check the language model, or choose another one.",
        )

    async def _reflect(self, what: DueReflection) -> None:
        turns = await self._outbox.between(what.thread, what.after, what.upto)
        for person_id in dict.fromkeys(turn.person_id for turn in turns):
            await self._tend(what.letta_agent_id, [turn for turn in turns if turn.person_id == person_id])
        await self._threads.reflected(what)

    async def _tend(self, letta_agent_id: str, turns: Sequence[Turn]) -> None:
        """In the home of the one person who said them, so that what is written stays there."""
        home = await self._homes.ensure(letta_agent_id, turns[0].person_id, turns[0].speaker)
        async with self._locks.of(home):
            before = await self._letta.load_blocks(home)
            await self._letta.reflect(home, instruction(turns))
            after = await self._letta.load_blocks(home)
        changed = _theirs(after) != _theirs(before)
        line = self._log.bind(agent=letta_agent_id, session=turns[-1].session_id)
        line.write(LogEvent.MEMORY_TENDED, turns=len(turns), changed=changed)
        if changed:
            self._in_vain[home] = 0
        elif await self._facts.told_in([turn.turn_id for turn in turns]):
            self._in_vain[home] += 1
            if self._in_vain[home] == _IN_VAIN:
                self._notice(
                    letta_agent_id,
                    Code.LLM_FAILED,
                    f"Letta's own work on memory changed nothing {_IN_VAIN} times in a row although facts were told.",
                    "Facts are kept without it. Check the language model, or choose another one.",
                )

    def _notice(self, letta_agent_id: str, code: Code, message: str, remedy: str) -> None:
        line = self._log.bind(agent=letta_agent_id)
        line.write(LogEvent.NOTICE, severity="warning", code=code, message=message, remedy=remedy)

    def _report(self, what: DueReflection, error: VoiceAgentError) -> None:
        self._log.bind(agent=what.letta_agent_id).write(LogEvent.MEMORY_FAILED, what="maintenance", **error.as_dict())


def _theirs(snapshot: Snapshot) -> list[Block]:
    """Blocks that Letta's tools may write; our block may have changed meanwhile."""
    return [block for block in snapshot.blocks if block.label != FACTS]


def instruction(turns: Sequence[Turn]) -> str:
    lines: list[str] = []
    room_left = TRANSCRIPT_CHARS
    for turn in reversed(turns):
        who = quoted(turn.speaker, _SPEAKER_CHARS) or "They"
        said, answer = (quoted(text, TRANSCRIPT_CHARS) for text in (turn.user_text, turn.assistant_text))
        line = f"{who}: {said}\nYou: {answer}"
        if len(line) > room_left:
            lines.append("[what was said before is left out]")
            break
        room_left -= len(line)
        lines.append(line)
    return _INSTRUCTION + "\n".join(reversed(lines)) + "\n</transcript>"
