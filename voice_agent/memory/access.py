"""Memory as one job uses it: loading, episodes, recall, forgetting, and Letta's own answers."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Collection
from contextlib import suppress
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from voice_agent import clock
from voice_agent.contracts import AgentBinding, JobMetadata, MemoryScope, ReplyPath, RoomPolicy
from voice_agent.errors import Code, Permanent, Temporary, VoiceAgentError
from voice_agent.memory.audience import NOBODY, Listener
from voice_agent.memory.facts.fact import Fact
from voice_agent.memory.facts.forgetting import Forgetting, meant
from voice_agent.memory.facts.store import FactStore, Owner
from voice_agent.memory.facts.wishes import ForgetWish, Outcome, carry_out
from voice_agent.memory.homes import Homes
from voice_agent.memory.loader import LoadResult, MemoryLoader
from voice_agent.memory.model import LettaPort, Snapshot, Turn
from voice_agent.memory.outbox import DEFAULT_LIMIT, Outbox
from voice_agent.memory.recall.block_facts import block_facts
from voice_agent.memory.recall.embedder import Embedder, NoEmbedder
from voice_agent.memory.recall.recall import Recall
from voice_agent.memory.recall.second_look import SecondLook
from voice_agent.memory.snapshots import Snapshots
from voice_agent.memory.threads import Threads, ThreadState, conversation_key
from voice_agent.observe.log import BoundLog
from voice_agent.storage.database import Database

_QUOTED_TURNS: Final = 6
_KEY_CHARS: Final = 170
"""Characters that the column of a thread has left beside the longest agent id."""
_LOOK_AGAIN: Final = 0.1
_JUST_NOW: Final = 5.0
"""Seconds within which what another process read of Letta's memory is taken by a job that begins. What is changed
meanwhile is seen when somebody arrives (`look_now`)."""


def continuity_key(job: JobMetadata, agent: AgentBinding | None = None) -> str:
    """An authenticated user continues one conversation in every session; any other caller only within their own
    session.

    Users of a business are keyed by it too. Their earlier threads, keyed without it, are not continued: they may hold
    what two people with the same user id said. Users without a business keep the thread they had.
    """
    return f"{(agent or job.agent).agent_id}/{_continuing(job)}"


def _continuing(job: JobMetadata) -> str:
    if not job.user_id:
        return f"session:{job.session_id}"
    if not job.business_id:
        return f"user:{job.user_id}"
    # A quoted business has no slash, so no two pairs of business and user give the same text.
    who = f"business:{quote(job.business_id, safe=':@')}/user:{job.user_id}"
    return who if len(who) <= _KEY_CHARS else f"business-user:{hashlib.sha256(who.encode()).hexdigest()}"


def room_thread(job: JobMetadata, agent: AgentBinding | None = None) -> str:
    """Counts the episodes of the room. A shared room's thread holds no conversation: each person has their own."""
    if job.policy is RoomPolicy.SHARED:
        return f"{(agent or job.agent).agent_id}/room:{job.room_name}"
    return continuity_key(job, agent)


class Memory:
    def __init__(
        self,
        database: Database,
        letta: LettaPort,
        embedder: Embedder | None = None,
        second_look: SecondLook | None = None,
        outbox_limit: int = DEFAULT_LIMIT,
        order_patience: float = 5.0,
    ) -> None:
        """`embedder`: without one, facts are found by words only. `second_look`: decides whether doubtful facts answer
        a question. `order_patience`: seconds that an answer waits until Letta holds the earlier turns."""
        self._database = database
        self._embedder = embedder or NoEmbedder()
        self._second_look = second_look
        self._recalls: dict[Owner, Recall] = {}
        self.outbox = Outbox(database, outbox_limit)
        self._threads = Threads(database)
        self._homes = Homes(database, letta)
        self._letta = letta
        self._loader = MemoryLoader(letta)
        self._snapshots = Snapshots(database)
        self._order_patience = order_patience
        self._compiled: dict[str, str] = {}
        self._in_use: dict[Owner, str] = {}
        """Version of what was last loaded for (assistant, person)."""
        self._in_blocks: dict[Owner, list[Fact]] = {}

    async def open(self, job: JobMetadata, answer_within: float = 0.0, sessions: Collection[str] = ()) -> ThreadState:
        """Register the thread, take over what a dead job left, and return where the last job stopped.

        `answer_within`: seconds since it was asked within which the last question may still be answered here. It then
        stays open: the caller answers or ends it. `sessions`: other sessions that were opened for the room.
        """
        thread = room_thread(job)
        await self._threads.ensure(thread, job.agent.letta_agent_id)
        state = await self._threads.state(thread)
        of_room = (job.session_id, job.room_name, *sessions)
        # In a shared room each person has a thread of their own.
        asked_in = "" if job.policy is RoomPolicy.SHARED else thread
        asked = await self.outbox.left_open(of_room, state.episode, answer_within, asked_in)
        await self.outbox.adopt_abandoned(*of_room, except_for=asked.turn_id if asked else "")
        return replace(state, asked=asked)

    async def load(self, letta_agent_id: str, deadline: float, listener: Listener = NOBODY) -> LoadResult:
        """The blocks that the listener hears: as Letta has them, else as this job read them last, else as any job did.

        Persona and task are the assistant's; what is known about the person comes from their home alone.
        """
        home = await self._home(letta_agent_id, listener)
        own: Snapshot | None = None
        if home is None or home == letta_agent_id:
            result = await self._load(letta_agent_id, deadline)
        else:
            result, known = await asyncio.gather(self._load(letta_agent_id, deadline), self._load(home, deadline))
            own = known.snapshot
            if known.error is not None and known.error.code is Code.AGENT_NOT_FOUND:
                await self._homes.lost(letta_agent_id, listener.person_id, home)
                home = None
        if result.snapshot is None:
            return result
        if result.fresh and home is not None and home != letta_agent_id:
            with suppress(VoiceAgentError):  # the prompt needs no copies; Letta's own answer waits for them
                await self._sync(letta_agent_id, listener)
        heard = listener.of_both(result.snapshot, own)
        self._use(heard, listener)
        return LoadResult(heard, result.error)

    async def _home(self, letta_agent_id: str, listener: Listener) -> str | None:
        if not listener.has_memory:
            return None
        try:
            return await self._homes.home(letta_agent_id, listener.person_id)
        except Temporary:  # database unavailable: the home is unknown, so nothing personal is said
            return None

    async def _sync(self, letta_agent_id: str, listener: Listener) -> str:
        """Make the home hold exactly what this person hears of the assistant. Returns the version of that."""
        assistant = self._loader.last_good(letta_agent_id) or await self._letta.load_blocks(letta_agent_id)
        version = listener.copies(assistant)
        await self._homes.sync(letta_agent_id, listener.person_id, version, listener.hears)
        return version

    async def read_ahead(self, letta_agent_id: str, deadline: float, listener: Listener) -> None:
        """Read from Letta what a job that is being started will load (see `_just_read`)."""
        home = await self._home(letta_agent_id, listener)
        await asyncio.gather(*(self._load(agent, deadline) for agent in {letta_agent_id, home or letta_agent_id}))

    async def _load(self, letta_agent_id: str, deadline: float) -> LoadResult:
        if (read := await self._just_read(letta_agent_id)) is not None:
            self._loader.take(read)
            return LoadResult(read)
        result = await self._loader.load(letta_agent_id, deadline)
        with suppress(Temporary):  # an unavailable database does not change what was found out
            if result.error is None and result.snapshot is not None:
                await self._snapshots.keep(result.snapshot)
            elif result.error is not None and result.error.code is Code.AGENT_NOT_FOUND:
                await self._snapshots.forget(letta_agent_id)
            elif result.snapshot is None:
                return LoadResult(await self._snapshots.last(letta_agent_id), result.error)
        return result

    async def _just_read(self, letta_agent_id: str) -> Snapshot | None:
        """What another process read a moment ago, for the first load of this one; later ones ask Letta."""
        if self._loader.last_good(letta_agent_id) is not None:
            return None
        try:
            last = await self._snapshots.last(letta_agent_id)
        except Temporary:
            return None
        return last if last is not None and abs((clock.now() - last.loaded_at).total_seconds()) <= _JUST_NOW else None

    async def next_change(self, letta_agent_id: str, every: float, listener: Listener = NOBODY) -> Snapshot:
        """Wait until the assistant's memory is changed: by a person in Letta, another conversation, or reflection."""
        changed = await self._loader.next_change(letta_agent_id, every)
        with suppress(Temporary):
            await self._snapshots.keep(changed)
        home = await self._home(letta_agent_id, listener)
        own = self._loader.last_good(home) if home and home != letta_agent_id else None
        heard = listener.of_both(changed, own)
        self._use(heard, listener)
        return heard

    def _use(self, heard: Snapshot, listener: Listener) -> None:
        owner = Owner(heard.letta_agent_id, listener.person_id)
        self._in_use[owner] = heard.version
        self._in_blocks[owner] = block_facts(listener.told_about(heard), owner)
        if (recall := self._recalls.get(owner)) is not None:
            recall.take_blocks(self._in_blocks[owner])

    def look_now(self) -> None:
        """Called when a person arrives: changes since memory was loaded are to be known before their first question."""
        self._loader.look_now()

    async def begin_episode(
        self, thread: str, letta_agent_id: str, episode: int, listener: Listener = NOBODY, continues: str = ""
    ) -> list[Turn]:
        """Store the episode count and allow reflection; returns what the listener said last in earlier episodes, and
        before that in the session that this one `continues`."""
        await self._threads.ensure(thread, letta_agent_id)
        await self._threads.set_episode(thread, episode)
        await self._threads.allow_reflection(thread)
        if listener.several:
            return []
        said = await self.outbox.before_episode(thread, episode, _QUOTED_TURNS, listener.person_id)
        if not continues or len(said) == _QUOTED_TURNS:
            return said
        before = await self.outbox.last_of_session(continues, letta_agent_id, listener.person_id, _QUOTED_TURNS)
        here = {turn.turn_id for turn in said}  # a user's thread goes through all their sessions
        return [*(turn for turn in before if turn.turn_id not in here), *said][-_QUOTED_TURNS:]

    async def meet(self, thread: str, agent: AgentBinding, person_id: str, episode: int) -> None:
        """A person speaks in a shared room: what they say goes on in their own thread."""
        await self._threads.ensure(thread, agent.letta_agent_id)
        await self._threads.reach_episode(thread, episode)
        if agent.memory_scope is MemoryScope.PERSONAL and person_id:
            await FactStore(self._database).met(Owner(agent.letta_agent_id, person_id))

    async def allow_reflection(self, thread: str) -> None:
        """Called at a quiet moment: Letta may reflect on what was said so far."""
        await self._threads.allow_reflection(thread)

    async def remember_greeted(self, thread: str, sids: list[str]) -> None:
        """Lets a job that replaces this one not greet the same people again in mid-call."""
        await self._threads.set_greeted(thread, sids)

    def recall(self, letta_agent_id: str, person_id: str, session_id: str) -> Recall:
        """Recall for one person; the same object for the life of the job."""
        owner = Owner(letta_agent_id, person_id)
        if owner not in self._recalls:
            recall = Recall(self._database, self._embedder, owner, session_id, self._second_look)
            recall.take_blocks(self._in_blocks.get(owner, ()))
            self._recalls[owner] = recall
        return self._recalls[owner]

    async def forget(self, owner: Owner, wish: ForgetWish, turn_id: str, log: BoundLog) -> Outcome:
        """Forget what the person asks for in this turn. From now on nothing of it is recalled."""
        outcome = await carry_out(Forgetting(self._database, self._letta, log), owner, wish)
        if (recall := self._recalls.get(owner)) is not None:
            await recall.look(before=turn_id)
        written = self._in_blocks.get(owner, [])
        return replace(outcome, written=len(written if wish.everything else meant(wish.what, written)))

    async def forgotten_among(self, turn_ids: Collection[str]) -> frozenset[str]:
        """Those of the turns from which something was forgotten."""
        return await FactStore(self._database).forgotten_among(turn_ids)

    async def prepare(self, thread: str, agent: AgentBinding, person_id: str, name: str, deadline: float) -> None:
        """Register the person for facts; where Letta itself answers, create the home and its conversation before an
        answer waits for them."""
        listener = Listener.of(person_id, agent.audience)
        if agent.memory_scope is not MemoryScope.PERSONAL or not listener.has_memory:
            return
        with suppress(Temporary):
            await FactStore(self._database).met(Owner(agent.letta_agent_id, person_id))
        if agent.reply_path is ReplyPath.LETTA:
            # `reply` creates what is missing, or reports why it cannot.
            with suppress(VoiceAgentError, TimeoutError):
                async with asyncio.timeout(deadline):
                    await self._threads.ensure(thread, agent.letta_agent_id)
                    await self._conversation(thread, agent.letta_agent_id, listener, name)

    async def reply(
        self, thread: str, letta_agent_id: str, turn_id: str, text: str, listener: Listener, name: str = ""
    ) -> AsyncGenerator[str, None]:
        """Letta's own answer to an open turn of path `letta`, as a stream from the listener's home.

        Earlier turns reach Letta first. If it is closed early (an interruption), Letta is read back later for what it
        kept and gets what is missing; `finish_turn` says what was really heard.
        """
        await self._in_order(thread, turn_id)
        conversation = await self._conversation(thread, letta_agent_id, listener, name)
        answer = self._letta.reply(conversation, turn_id, text)
        try:
            began = False
            async for words in answer:
                if not began:
                    began = True
                    await self.outbox.arrived(turn_id)
                if words:
                    yield words
        finally:
            await answer.aclose()

    async def _in_order(self, thread: str, turn_id: str) -> None:
        try:
            async with asyncio.timeout(self._order_patience):
                # Another process delivers the turns, and the database sends no notifications.
                while True:
                    if await self.outbox.is_next(thread, turn_id):
                        return
                    await asyncio.sleep(_LOOK_AGAIN)
        except TimeoutError:
            raise Temporary(
                Code.LETTA_UNAVAILABLE,
                "Letta has not taken what was said before.",
                "It is brought there by itself; then the agent answers again.",
            ) from None

    async def _conversation(self, thread: str, letta_agent_id: str, listener: Listener, name: str) -> str:
        person_id = listener.person_id
        if not listener.has_memory:  # only the assistant's own agent is left, and it is the owner's
            raise Permanent(
                Code.FORBIDDEN,
                "Letta itself answers only people whom it can keep apart from others.",
                "Send a browser key or a signed assertion with POST /session, or set reply_path to hybrid.",
            )
        home = await self._homes.ensure(letta_agent_id, person_id, name, listener.hears)
        shared = await self._sync(letta_agent_id, listener) if home != letta_agent_id else None
        key = conversation_key(thread, person_id)
        if key != thread:
            await self._threads.ensure(key, home)
        conversation, _, _ = await self._threads.conversation(key)
        if conversation is None:
            conversation = await self._letta.create_conversation(home)
            conversation = await self._threads.set_conversation(key, conversation)
        version = self._in_use.get(Owner(letta_agent_id, person_id), shared)
        if version is not None and self._compiled.get(key) != version:
            await self._letta.recompile(conversation)
            self._compiled[key] = version
        return conversation
