"""Drainer of the outbox: writes finished turns to Letta, each exactly once and in order, without an idempotency key.

A batch is marked SENDING before it is posted. If the post does not end cleanly, it is unknown what Letta holds: nothing
is sent until Letta's run has ended and the conversation has been read back. One drainer works at a time (see
single_instance.py), in any of our processes. It works on several threads at once, so that a busy or slow agent delays
only its own.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from voice_agent.contracts import LogEvent, ReplyPath
from voice_agent.errors import Code, Permanent, VoiceAgentError
from voice_agent.memory.homes import Homes
from voice_agent.memory.model import LettaPort, Recording, StoredMessage, Turn, TurnState, turn_mark
from voice_agent.memory.outbox import Outbox
from voice_agent.memory.threads import Threads, conversation_key
from voice_agent.observe.log import ReconnectLog

_BATCH: Final = 20
_AT_ONCE: Final = 4
"""Threads that are worked on in parallel. Those that wait for their agent do not count."""
_REST: Final = 0.5
_LONGEST_REST: Final = 30.0
"""The pause of a thread that Letta did not take doubles up to this."""
_GRACE: Final = 8.0
"""Seconds after the first doubt about a post; after that its request can no longer reach Letta."""
_POISON_AFTER: Final = 8
"""A turn that failed alone this often, while others went through, is parked."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where Letta keeps what one person says in a thread."""

    key: str
    """Key of the row with its conversation."""
    home: str
    letta_agent_id: str
    person_id: str


class AgentLocks:
    """One lock per agent for writes: Letta does not serialise them."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def of(self, letta_agent_id: str) -> asyncio.Lock:
        return self._locks[letta_agent_id]


class Drainer:
    def __init__(
        self,
        outbox: Outbox,
        threads: Threads,
        homes: Homes,
        letta: LettaPort,
        log: ReconnectLog,
        locks: AgentLocks | None = None,
        grace: float = _GRACE,
    ) -> None:
        self._outbox = outbox
        self._threads = threads
        self._homes = homes
        self._letta = letta
        self._log = log
        self._locks = locks or AgentLocks()
        self._grace = grace
        self._doubted: dict[str, float] = {}
        self._recorded = 0
        self._recorded_before: dict[str, int] = {}
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._at_work: set[str] = set()
        self._failures: dict[str, int] = {}
        """Consecutive failures of each thread that Letta did not take."""
        self._not_before: dict[str, float] = {}

    @property
    def at_work(self) -> frozenset[str]:
        """Threads that a task works on now."""
        return frozenset(self._at_work)

    async def start_due(self, group: asyncio.TaskGroup) -> bool:
        """Start a task in the group for each thread that has work and no task yet.

        False: nothing was started, and no turn is being spoken.
        """
        standing = await self._outbox.standing()
        self._failures = {thread: times for thread, times in self._failures.items() if thread in standing.threads}
        begun = False
        for thread in standing.threads:
            if thread not in self._at_work and time.monotonic() >= self._not_before.get(thread, 0.0):
                self._at_work.add(thread)
                group.create_task(self._work_on(thread), name=f"drain:{thread}")
                begun = True
        return begun or standing.talking

    async def drain_once(self) -> VoiceAgentError | None:
        """Drain one thread after the other. Returns why Letta could not take everything, if it could not."""
        error: VoiceAgentError | None = None
        for thread in await self._outbox.threads_with_work():
            error = await self._drained(thread) or error
        return error

    async def _work_on(self, thread: str) -> None:
        try:
            error = await self._drained(thread)
        finally:
            self._at_work.discard(thread)
        if error is None:
            self._failures.pop(thread, None)
            self._not_before.pop(thread, None)
            return
        if not self._failures:  # logged once for all of them
            self._log.write(LogEvent.MEMORY_FAILED, what="drain", **error.as_dict())
        self._failures[thread] = failures = self._failures.get(thread, 0) + 1
        self._not_before[thread] = time.monotonic() + min(_REST * 2 ** min(failures, 10), _LONGEST_REST)

    async def _drained(self, thread: str) -> VoiceAgentError | None:
        try:
            while await self._drain_batch(thread):
                pass
        except VoiceAgentError as error:
            return error
        return None

    async def _drain_batch(self, thread: str) -> bool:
        """False: nothing is left, or something has to be waited for."""
        async with self._gate:
            batch = await self._batch(thread)
            if not batch:
                return False
            place = await self._place(batch)
        if place is None:
            return True
        # Outside the gate: reflection may hold an agent for minutes.
        async with self._locks.of(place.home), self._gate:
            if await self._batch(thread) != batch:
                return True  # a turn was added or forgotten while the agent was busy
            return await self._advance(place, batch)

    async def _batch(self, thread: str) -> list[Turn]:
        """The oldest unsent turns, up to the first of another person: each person has a conversation of their own."""
        found = await self._outbox.unsent(thread, _BATCH)
        return [*itertools.takewhile(lambda turn: turn.person_id == found[0].person_id, found)]

    async def _place(self, batch: Sequence[Turn]) -> _Place | None:
        """None: they were parked, because the assistant no longer exists."""
        first = batch[0]
        agent, person = first.letta_agent_id, first.person_id
        try:
            home = await self._homes.ensure(agent, person, first.speaker)
        except Permanent as error:
            if error.code is not Code.AGENT_NOT_FOUND or await self._letta.get_agent(agent) is not None:
                raise
            await self._park(batch, error)
            return None
        key = conversation_key(first.thread, person)
        await self._threads.ensure(key, home)
        return _Place(key, home, agent, person)

    async def _advance(self, place: _Place, batch: list[Turn]) -> bool:
        """One step with the oldest unsent turns. False: something has to be waited for."""
        conversation, _, confirmed = await self._threads.conversation(place.key)
        unknown = [turn for turn in batch if turn.state is TurnState.SENDING]
        try:
            if conversation is None:
                conversation = await self._letta.create_conversation(place.home)
                conversation = await self._threads.set_conversation(place.key, conversation)
            if unknown:
                if await self._letta.run_is_active(conversation):
                    return False  # never cancelled: a cancelled run may still store its messages
                return await self._reconcile(place, unknown, conversation, confirmed)
            # A turn that failed once goes alone, so that a poisoned turn fails no other.
            await self._send(place, batch[:1] if batch[0].attempts else batch, conversation)
        except Permanent as error:
            await self._refused(place, batch, error)
        return True

    async def _send(self, place: _Place, batch: Sequence[Turn], conversation: str) -> None:
        await self._outbox.mark(batch, TurnState.SENDING)
        try:
            await self._letta.record(Recording(conversation, tuple(batch)))
        except VoiceAgentError:
            for turn in batch:
                self._doubted[turn.turn_id] = time.monotonic()
                self._recorded_before.setdefault(turn.turn_id, self._recorded)
            raise
        await self._confirm(place, batch)

    async def _refused(self, place: _Place, batch: list[Turn], error: Permanent) -> None:
        """Letta refused for good. The cause decides which turns are parked; a wrong key is the fault of none."""
        if error.code is Code.AGENT_NOT_FOUND and await self._letta.get_agent(place.home) is not None:
            await self._threads.forget_conversation(place.key)  # it was deleted in Letta: another one is opened
            await self._outbox.mark(batch, TurnState.PENDING)
        elif error.code is Code.AGENT_NOT_FOUND and place.home != place.letta_agent_id:
            await self._homes.lost(place.letta_agent_id, place.person_id, place.home)
            await self._outbox.mark(batch, TurnState.PENDING)
        elif error.code is Code.BAD_REQUEST and len(batch) > 1 and not batch[0].attempts:
            await self._outbox.mark(batch, TurnState.PENDING)
        elif error.code is Code.AGENT_NOT_FOUND:
            await self._park(batch, error)
        elif error.code is Code.BAD_REQUEST:
            await self._park(batch[:1], error)
        else:
            raise error

    async def _reconcile(
        self, place: _Place, unknown: Sequence[Turn], conversation: str, confirmed: str | None
    ) -> bool:
        """Ask Letta what it holds of a batch whose post did not end cleanly."""
        held = await self._letta.messages_after(conversation, turn_mark(confirmed) if confirmed else None)
        whole = [turn for turn in unknown if _is_whole(turn, held)]
        missing = [turn for turn in unknown if not any(message.mark == turn_mark(turn.turn_id) for message in held)]
        torn = [turn for turn in unknown if turn not in whole and turn not in missing]
        if whole:
            await self._confirm(place, whole)
        if torn:
            half = "Letta holds a part of this turn only; it died between two of its own writes."
            await self._park(torn, Permanent(Code.MEMORY_TORN, half, "See 'voice-agent memory pending'."))
        return await self._send_again(place, missing, conversation) if missing else True

    async def _send_again(self, place: _Place, missing: Sequence[Turn], conversation: str) -> bool:
        now = time.monotonic()
        # A turn that Letta has begun to answer is no longer on its way.
        doubts = [self._doubted.setdefault(turn.turn_id, now) for turn in missing if not _has_arrived(turn)]
        if doubts and now - max(doubts) < self._grace:
            return False  # the request may still be on its way into Letta
        for turn in missing:
            mark = turn_mark(turn.turn_id)
            if await self._letta.agent_holds_mark(place.home, conversation, mark, _written_since(turn)):
                half = "Letta holds this turn outside its conversation; it died between two of its own writes."
                await self._park([turn], Permanent(Code.MEMORY_TORN, half, "See 'voice-agent memory pending'."))
            elif self._is_poison(turn):
                failing = f"Letta failed {turn.attempts} times to take this turn, and took others."
                await self._park([turn], Permanent(Code.BAD_REQUEST, failing, "See Letta's log."))
            else:
                await self._outbox.mark([turn], TurnState.PENDING)
        return True

    def _is_poison(self, turn: Turn) -> bool:
        return turn.attempts >= _POISON_AFTER and self._recorded > self._recorded_before.get(
            turn.turn_id, self._recorded
        )

    async def _confirm(self, place: _Place, batch: Sequence[Turn]) -> None:
        await self._outbox.mark(batch, TurnState.DONE, conversation_key=place.key)
        self._recorded += 1
        self._forget(batch)
        for turn in batch:
            line = self._log.bind(session=turn.session_id, agent=turn.letta_agent_id, episode=turn.episode)
            line.write(LogEvent.TURN_STORED, turn_id=turn.turn_id)

    async def _park(self, batch: Sequence[Turn], error: Permanent) -> None:
        await self._outbox.mark(batch, TurnState.PARKED, note=str(error))
        self._forget(batch)
        self._log.write(LogEvent.MEMORY_FAILED, parked=[turn.turn_id for turn in batch], **error.as_dict())

    def _forget(self, batch: Sequence[Turn]) -> None:
        for turn in batch:
            self._doubted.pop(turn.turn_id, None)
            self._recorded_before.pop(turn.turn_id, None)


def _written_since(turn: Turn) -> datetime | None:
    """When Letta can hold it at the earliest. A time in the future comes from a clock that was ahead: None."""
    said = turn.created_at
    return said if said is not None and said <= datetime.now(UTC) else None


def _has_arrived(turn: Turn) -> bool:
    return turn.path is ReplyPath.LETTA and turn.attempts > 0


def _is_whole(turn: Turn, held: Sequence[StoredMessage]) -> bool:
    """Whether Letta holds the user's words and an answer behind them: ours carries the marker, Letta's own does not."""
    mark = turn_mark(turn.turn_id)
    place = next((index for index, message in enumerate(held) if message.mark == mark and message.role == "user"), None)
    if place is None:
        return False
    following = held[place + 1] if place + 1 < len(held) else None
    return not turn.assistant_text or (following is not None and following.role == "assistant")
