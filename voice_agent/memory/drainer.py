"""Carries finished turns into Letta, each exactly once and in order, without an idempotency key.

A batch is marked SENDING before it is posted. If the post did not end cleanly, nobody knows what Letta holds:
then nothing is sent until Letta's run is over and the conversation has been read back. One drainer works at a
time (an OS lock, because Letta cannot fence a late sender); any process of ours may be it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

from voice_agent.contracts import LogEvent
from voice_agent.errors import Code, Permanent, Temporary
from voice_agent.memory.model import LettaPort, Recording, StoredMessage, Turn, TurnState, turn_mark
from voice_agent.memory.outbox import Outbox, Threads
from voice_agent.observe.log import ReconnectLog

_BATCH: Final = 20
_LOOK_AGAIN: Final = 0.5
"""The outbox is filled by other processes, and SQLite tells nobody: look this often."""
_AFTER_FAILURE: Final = 1.0
_AFTER_FAILURES: Final = 30.0
"""The wait doubles from the first to the second while Letta stays away."""


class Drainer:
    def __init__(self, outbox: Outbox, threads: Threads, letta: LettaPort, lock: Path, log: ReconnectLog) -> None:
        self._outbox = outbox
        self._threads = threads
        self._letta = letta
        self._lock = lock
        self._log = log
        self._wake = asyncio.Event()

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled: wait for the lock, then drain whenever there is something."""
        failures = 0
        async with _exclusive(self._lock):
            while True:
                trouble = await self.drain_once()
                if trouble is not None and failures == 0:
                    self._log.write(LogEvent.MEMORY_FAILED, **trouble.as_dict())
                failures = failures + 1 if trouble else 0
                await self._pause(
                    min(_AFTER_FAILURE * 2 ** (failures - 1), _AFTER_FAILURES) if failures else _LOOK_AGAIN
                )

    async def _pause(self, seconds: float) -> None:
        self._wake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    async def drain_once(self) -> Temporary | None:
        """One pass over all threads. Returns why Letta could not take everything, if it could not."""
        trouble: Temporary | None = None
        for thread in await self._outbox.threads_with_work():
            try:
                await self._drain_thread(thread)
            except Temporary as error:
                trouble = error
        return trouble

    async def _drain_thread(self, thread: str) -> None:
        conversation, letta_agent_id, confirmed = await self._threads.conversation(thread)
        if conversation is None:
            conversation = await self._letta.create_conversation(letta_agent_id)
            await self._threads.set_conversation(thread, conversation)
        while batch := await self._outbox.unsent(thread, _BATCH):
            unknown = [turn for turn in batch if turn.state is TurnState.SENDING]
            if unknown:
                if await self._letta.run_is_active(conversation):
                    return  # never cancelled: a cancelled run may still store its messages
                await self._reconcile(unknown, conversation, confirmed)
            else:
                await self._send(batch, conversation)
            _, _, confirmed = await self._threads.conversation(thread)

    async def _send(self, batch: Sequence[Turn], conversation: str) -> None:
        await self._outbox.mark(batch, TurnState.SENDING)
        try:
            await self._letta.record(Recording(conversation, tuple(batch)))
        except Permanent as error:
            await self._park(batch, error)
            return
        await self._confirm(batch)

    async def _reconcile(self, unknown: Sequence[Turn], conversation: str, confirmed: str | None) -> None:
        """Ask Letta what it holds of a batch whose post did not end cleanly."""
        mark = turn_mark(confirmed) if confirmed else None
        held = await self._letta.messages_after(conversation, mark)
        whole = [turn for turn in unknown if _is_whole(turn, held)]
        missing = [turn for turn in unknown if not any(message.mark == turn_mark(turn.turn_id) for message in held)]
        torn = [turn for turn in unknown if turn not in whole and turn not in missing]
        for turn in list(missing):
            if await self._letta.agent_holds_mark(turn.letta_agent_id, conversation, turn_mark(turn.turn_id)):
                missing.remove(turn)
                torn.append(turn)
        if whole:
            await self._confirm(whole)
        if torn:
            half = "Letta holds a part of this turn only; it died between two of its own writes."
            await self._park(torn, Permanent(Code.MEMORY_TORN, half, "See 'voice-agent memory pending'."))
        if missing:
            await self._outbox.mark(missing, TurnState.PENDING)

    async def _confirm(self, batch: Sequence[Turn]) -> None:
        await self._outbox.mark(batch, TurnState.DONE)
        for turn in batch:
            line = self._log.bind(session=turn.session_id, agent=turn.letta_agent_id, episode=turn.episode)
            line.write(LogEvent.TURN_STORED, turn_id=turn.turn_id)

    async def _park(self, batch: Sequence[Turn], error: Permanent) -> None:
        await self._outbox.mark(batch, TurnState.PARKED, note=str(error))
        self._log.write(LogEvent.MEMORY_FAILED, parked=[turn.turn_id for turn in batch], **error.as_dict())


def _pause_after(failures: int) -> float:
    if not failures:
        return _LOOK_AGAIN
    return float(min(_AFTER_FAILURE * 2 ** min(failures - 1, 8), _AFTER_FAILURES))


def _is_whole(turn: Turn, held: Sequence[StoredMessage]) -> bool:
    mark = turn_mark(turn.turn_id)
    roles = {message.role for message in held if message.mark == mark}
    return "user" in roles and ("assistant" in roles or not turn.assistant_text)


@contextlib.asynccontextmanager
async def _exclusive(path: Path) -> AsyncIterator[None]:
    """An OS lock: it ends with the process that holds it, however that dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(1.0)  # flock offers no event to wait for without blocking a thread
        yield
    finally:
        os.close(handle)
