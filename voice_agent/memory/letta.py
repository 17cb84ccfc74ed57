"""Letta client: conversations, recordings and answers. With its base classes in letta_assistants.py, letta_homes.py
and letta_connection.py it is the only code that knows letta-client."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from typing import Any, Final

import httpx
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_exponential_jitter

from voice_agent import clock
from voice_agent.contracts import ANSWER_DEADLINE
from voice_agent.errors import Code, Permanent, Temporary, VoiceAgentError
from voice_agent.memory.letta_assistants import LettaAssistants
from voice_agent.memory.letta_connection import PAGE, gone_is_fine
from voice_agent.memory.letta_homes import HOME_TAG
from voice_agent.memory.model import (
    AgentSummary,
    Block,
    Recording,
    Snapshot,
    StoredMessage,
    in_a_line,
    is_fact,
    turn_mark,
)
from voice_agent.memory.own_agent import made_for
from voice_agent.settings import Settings
from voice_agent.storage.database import aware

RECORDER_MODEL: Final = "vllm/recorder"
"""Our endpoint that answers with nothing, so that Letta stores the given messages and adds no reply."""
_BACKGROUND: Final = "-background"
"""Suffix of a model's second name on our model server, for background requests: they yield to conversations."""
_PASSAGES: Final = 5
_STEPS: Final = 6
_CLEAN_ENDS: Final = ("end_turn", "max_steps", "tool_rule", "no_tool_call")
_NOT_TAKEN: Final = (Code.CONFLICT, Code.RATE_LIMITED)
_BUSY_PATIENCE: Final = 5.0
_REFLECTION: Final = 120.0
_CLOCKS_DIFFER: Final = timedelta(days=1)
"""Upper bound of clock skew: a message that looks this much older than a turn may still hold it."""
NOTE_MARK: Final = "va:note"
"""Marker of our own messages to Letta's model. No person said them."""
_NOTE: Final = {
    "role": "user",
    "sender_id": NOTE_MARK,
    "content": "(What stands above was said in a voice conversation and has been answered. Reply with 'Noted.' only.)",
}
"""For a Letta without our recorder: its own model has to answer something."""


class LettaClient(LettaAssistants):
    """Implementation of `LettaPort` for a Letta V1 server."""

    def __init__(
        self,
        settings: Settings,
        *,
        timeout: float = 10.0,
        page: int = PAGE,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(settings, timeout=timeout, page=page, transport=transport)
        self._recorder = settings.letta_recorder or RECORDER_MODEL
        self._recorder_known = not settings.letta_base_url and not settings.letta_recorder

    # --- reading ---

    async def list_agents(self) -> list[AgentSummary]:
        with self._asking("list agents"):
            agents = self._client.agents.list(limit=self._page, include=["agent.blocks", "agent.tags"])
            # Homes are hidden already; the tag is checked too, because any client of Letta may unhide an agent.
            return [_summary(agent) async for agent in agents if HOME_TAG not in (agent.tags or ())]

    async def get_agent(self, agent_id: str) -> AgentSummary | None:
        try:
            with self._asking("read an agent"):
                return _summary(await self._client.agents.retrieve(agent_id, include=["agent.blocks", "agent.tags"]))
        except Permanent as error:
            if error.code in (Code.AGENT_NOT_FOUND, Code.BAD_REQUEST):
                return None
            raise

    async def load_blocks(self, agent_id: str) -> Snapshot:
        with self._asking("load memory"):
            agent = await self._client.agents.retrieve(agent_id, include=["agent.blocks"])
            blocks = agent.blocks or []
            name = agent.name
            # An agent without blocks is rare enough for a second request, to another endpoint.
            hidden = not blocks and bool((await self._client.agents.blocks.list(agent_id, limit=1)).items)
        if hidden:
            raise Temporary(
                Code.MEMORY_EMPTY,
                f"Letta gave no memory block for agent {agent_id}, though it has some.",
                "It is tried again; if it stays, check the agent in Letta.",
            )
        return Snapshot(
            letta_agent_id=agent_id,
            persona_name=name,
            blocks=tuple(Block(b.label or "unnamed", b.value, b.description or "") for b in blocks),
            loaded_at=clock.now(),
        )

    async def run_is_active(self, conversation_id: str) -> bool:
        with self._asking("list runs"):
            page = await self._client.runs.list(conversation_id=conversation_id, active=True, limit=1)
            return bool(page.items)

    async def messages_after(self, conversation_id: str, mark: str | None) -> list[StoredMessage]:
        newest_first: list[StoredMessage] = []
        with self._asking("list messages"):
            # The client's own paging continues with `after`, which turns back when the newest come first.
            more: dict[str, Any] = {}
            while page := (
                await self._client.conversations.messages.list(conversation_id, order="desc", limit=self._page, **more)
            ).items:
                for stored in filter(None, map(_stored, page)):
                    if mark is not None and stored.mark == mark:
                        return newest_first[::-1]
                    newest_first.append(stored)
                more = {"before": page[-1].id}
        return newest_first[::-1]

    async def agent_holds_mark(
        self, agent_id: str, conversation_id: str, mark: str, since: datetime | None = None
    ) -> bool:
        oldest = None if since is None else since - _CLOCKS_DIFFER
        with self._asking("list messages"):
            more: dict[str, Any] = {}  # newest first, page by page as in `messages_after`
            while page := (
                await self._client.agents.messages.list(
                    agent_id, conversation_id=conversation_id, order="desc", limit=self._page, **more
                )
            ).items:
                if any(getattr(message, "sender_id", None) == mark for message in page):
                    return True
                written = getattr(page[-1], "date", None)
                if oldest is not None and isinstance(written, datetime) and aware(written) < oldest:
                    return False
                more = {"before": page[-1].id}
        return False

    async def delete_conversation(self, conversation_id: str) -> None:
        # Afterwards it is no longer read, listed or found; Letta keeps the rows, marked as deleted, until the agent is
        # deleted. Deleting the runs would delete the rows, but fails in 0.16.8: Letta calls a method of its own that
        # does not exist.
        with gone_is_fine(), self._asking("delete a conversation"):
            await self._client.conversations.delete(conversation_id)

    async def has_archive(self, agent_id: str) -> bool:
        with self._asking("look into archival memory"):
            return bool(await self._client.agents.passages.list(agent_id, limit=1))

    async def search(self, agent_id: str, query: str, *, facts: bool = True) -> list[str]:
        with self._asking("search archival memory"):
            found = (await self._client.agents.passages.search(agent_id, query=query, top_k=_PASSAGES)).results
            if found:
                return [result.content for result in found if facts or not is_fact(result.tags or ())]
            # Without an embedding model Letta searches for the query literally: try its words.
            hits: Counter[str] = Counter()
            for word in _keywords(query):
                passages = await self._client.agents.passages.list(agent_id, search=word, limit=self._page)
                hits.update({passage.text for passage in passages if facts or not is_fact(passage.tags or ())})
            return [text for text, _ in hits.most_common(_PASSAGES)]

    # --- writing ---

    async def create_conversation(self, agent_id: str) -> str:
        with self._asking("open a conversation"):
            return (await self._client.conversations.create(agent_id=agent_id)).id

    async def record(self, recording: Recording) -> None:
        messages = _as_messages(recording)
        options: dict[str, Any] = {"override_model": self._recorder}
        if not await self._records():
            messages, options = [*messages, _NOTE], {"max_steps": 1}
        async for attempt in AsyncRetrying(
            retry=retry_if_exception(_was_not_taken),
            stop=stop_after_delay(_BUSY_PATIENCE),
            wait=wait_exponential_jitter(multiplier=0.2, max=1.0, jitter=0.1),
            reraise=True,
        ):
            with attempt:
                async for _ in self._run("record turns", recording.conversation_id, messages, **options):
                    pass

    async def reply(self, conversation_id: str, turn_id: str, text: str) -> AsyncGenerator[str, None]:
        message = {"role": "user", "content": text, "sender_id": turn_mark(turn_id)}
        run = self._run("answer", conversation_id, [message], stream_tokens=True, timeout=ANSWER_DEADLINE)
        complete = False
        try:
            async for chunk in run:
                yield _text(chunk.content) if chunk.message_type == "assistant_message" else ""
            complete = True
        finally:
            if not complete:
                # While still connected: after a client had disconnected, Letta was seen to keep the whole answer.
                await self._cancel(conversation_id)
            await run.aclose()

    async def recompile(self, conversation_id: str) -> None:
        with self._asking("refresh a conversation"):
            await self._client.conversations.recompile(conversation_id)

    async def recompile_all(self, agent_id: str) -> None:
        with self._asking("refresh the prompt of an agent"):
            await self._client.agents.recompile(agent_id)
            more: dict[str, Any] = {}
            while page := await self._client.conversations.list(
                agent_id=agent_id, order="asc", limit=self._page, archive_status="all", **more
            ):
                for conversation in page:
                    with gone_is_fine(), self._asking("refresh a conversation"):
                        await self._client.conversations.recompile(conversation.id)
                more = {"after": page[-1].id}

    async def reflect(self, agent_id: str, instruction: str) -> None:
        agent = await self.get_agent(agent_id)
        quiet = f"{agent.model}{_BACKGROUND}" if agent else ""
        options: dict[str, Any] = {"override_model": quiet} if quiet in await self._models() else {}
        conversation = await self.create_conversation(agent_id)
        message = {"role": "user", "content": instruction, "sender_id": NOTE_MARK}
        try:
            async for _ in self._run(
                "work on its memory", conversation, [message], max_steps=_STEPS, timeout=_REFLECTION, **options
            ):
                pass
        finally:
            # A conversation that stays behind does no harm.
            with contextlib.suppress(VoiceAgentError):
                await self.delete_conversation(conversation)

    async def _run(
        self, doing: str, conversation_id: str, messages: list[Any], **options: Any
    ) -> AsyncGenerator[Any, None]:
        """One run of Letta, chunk by chunk. A stream without its proper end is a failure."""
        reason = "none"
        with self._asking(doing, of_model=True):
            stream = await self._client.conversations.messages.create(
                conversation_id, messages=messages, streaming=True, **options
            )
            self.breaker.succeeded()
            async with stream:
                async for chunk in stream:
                    if chunk.message_type == "stop_reason":
                        reason = chunk.stop_reason
                    yield chunk
        if reason not in _CLEAN_ENDS:
            raise Temporary(
                Code.LETTA_UNAVAILABLE, f"Letta did not end properly when asked to {doing} (stop reason: {reason})."
            )

    async def _cancel(self, conversation_id: str) -> None:
        # What Letta kept is read back later in any case.
        with contextlib.suppress(VoiceAgentError), self._asking("stop answering"):
            await self._client.conversations.cancel(conversation_id, timeout=2.0)

    async def _records(self) -> bool:
        """Whether this Letta knows our recorder. Our own Letta does; for another one its list of models says so."""
        if not self._recorder_known:
            self._recorder_known = self._recorder in await self._models()
        return self._recorder_known


def _was_not_taken(error: BaseException) -> bool:
    return isinstance(error, Temporary) and error.code in _NOT_TAKEN


def _keywords(query: str) -> list[str]:
    """The longest words, which are the most specific."""
    words = sorted(set(re.findall(r"\w{3,}", query.lower())), key=lambda word: (-len(word), word))
    return words[:_PASSAGES]


def _summary(agent: Any) -> AgentSummary:
    """Needs an agent that was read with its blocks and tags: Letta omits them unless asked."""
    known = {block.label: block.value for block in agent.blocks or ()}
    ours = made_for(agent.tags or ())
    return AgentSummary(agent.id, agent.name, agent.description or "", agent.model or "", in_a_line(known), ours)


def _as_messages(recording: Recording) -> list[Any]:
    messages: list[Any] = []
    for turn in recording.turns:
        mark = turn_mark(turn.turn_id)
        messages.append({"role": "user", "content": turn.user_text, "sender_id": mark})
        if turn.assistant_text:
            messages.append({"role": "assistant", "content": turn.assistant_text, "sender_id": mark})
    return messages


def _stored(message: Any) -> StoredMessage | None:
    if message.message_type not in ("user_message", "assistant_message"):
        return None
    role = "user" if message.message_type == "user_message" else "assistant"
    return StoredMessage(role, _text(message.content), getattr(message, "sender_id", None) or "")


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(getattr(part, "text", "") for part in content or ())
