"""The only module that knows letta-client. Its exceptions become Temporary or Permanent here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import httpx
from letta_client import (
    APIConnectionError,
    APIError,
    APIStatusError,
    AsyncLetta,
    ConflictError,
    InternalServerError,
    NotFoundError,
    RateLimitError,
    UnprocessableEntityError,
)

from voice_agent.errors import Code, Permanent, Temporary, VoiceAgentError
from voice_agent.memory.model import AgentSummary, Block, Recording, Snapshot, StoredMessage, turn_mark
from voice_agent.settings import Settings

RECORDER_MODEL: Final = "vllm/recorder"
"""An endpoint of ours that answers with nothing, so that Letta stores what it is given and adds no reply."""
_PAGE: Final = 100
_TRANSIENT: Final = (APIConnectionError, InternalServerError, RateLimitError, ConflictError)


class LettaClient:
    """Adapter of `LettaPort` to a Letta V1 server."""

    def __init__(self, settings: Settings, *, timeout: float = 10.0) -> None:
        self._url = settings.effective_letta_url
        self._client = AsyncLetta(
            base_url=self._url,
            api_key=settings.letta_api_key or "unset",
            # A retry inside the client could write a turn twice; retries are ours.
            max_retries=0,
            timeout=httpx.Timeout(timeout, connect=3.0),
        )

    async def close(self) -> None:
        await self._client.close()

    async def list_agents(self) -> list[AgentSummary]:
        with self._translated("list agents"):
            return [_summary(agent) async for agent in self._client.agents.list(limit=_PAGE)]

    async def get_agent(self, agent_id: str) -> AgentSummary | None:
        try:
            with self._translated("read an agent"):
                return _summary(await self._client.agents.retrieve(agent_id))
        except Permanent as error:
            if error.code in (Code.AGENT_NOT_FOUND, Code.BAD_REQUEST):
                return None
            raise

    async def load_blocks(self, agent_id: str) -> Snapshot:
        with self._translated("load memory"):
            agent = await self._client.agents.retrieve(agent_id, include=["agent.blocks"])
            blocks = [block async for block in self._client.agents.blocks.list(agent_id, limit=_PAGE)]
        if not blocks and agent.blocks:
            raise Temporary(
                Code.MEMORY_EMPTY,
                f"Letta listed no memory block for agent {agent_id}, though it has {len(agent.blocks)}.",
                "It is tried again; if it stays, check the agent in Letta.",
            )
        return Snapshot(
            letta_agent_id=agent_id,
            persona_name=agent.name,
            blocks=tuple(Block(b.label or "unnamed", b.value, b.description or "") for b in blocks),
            loaded_at=datetime.now(UTC),
        )

    async def create_conversation(self, agent_id: str) -> str:
        with self._translated("open a conversation"):
            return (await self._client.conversations.create(agent_id=agent_id)).id

    async def record(self, recording: Recording) -> None:
        with self._translated("record turns"):
            stream = await self._client.conversations.messages.create(
                recording.conversation_id,
                messages=_as_messages(recording),
                override_model=RECORDER_MODEL,
                streaming=True,
            )
            async with stream:
                async for chunk in stream:
                    if chunk.message_type == "error_message":
                        raise Temporary(Code.LETTA_UNAVAILABLE, f"Letta failed while recording: {chunk.message}")

    async def run_is_active(self, conversation_id: str) -> bool:
        with self._translated("list runs"):
            page = await self._client.runs.list(conversation_id=conversation_id, active=True, limit=1)
            return bool(page.items)

    async def messages_after(self, conversation_id: str, mark: str | None) -> list[StoredMessage]:
        newest_first: list[StoredMessage] = []
        with self._translated("list messages"):
            pages = self._client.conversations.messages.list(conversation_id, order="desc", limit=_PAGE)
            async for message in pages:
                stored = _stored(message)
                if stored is None:
                    continue
                if mark is not None and stored.mark == mark:
                    break
                newest_first.append(stored)
        return newest_first[::-1]

    async def agent_holds_mark(self, agent_id: str, conversation_id: str, mark: str) -> bool:
        with self._translated("list messages"):
            pages = self._client.agents.messages.list(
                agent_id, conversation_id=conversation_id, order="desc", limit=_PAGE
            )
            async for message in pages:
                if getattr(message, "sender_id", None) == mark:
                    return True
        return False

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        try:
            yield
        except APIError as error:
            raise self._translate(error, doing) from error
        except httpx.HTTPError as error:
            raise self._away(doing, error) from error

    def _translate(self, error: APIError, doing: str) -> VoiceAgentError:
        if isinstance(error, NotFoundError):
            return Permanent(Code.AGENT_NOT_FOUND, f"Letta does not know what was asked for: could not {doing}.")
        if isinstance(error, UnprocessableEntityError):
            return Permanent(Code.BAD_REQUEST, f"Letta found an id or a field malformed: could not {doing}.")
        # An error inside a stream arrives as a plain APIStatusError on a 200 answer: Letta's LLM failed.
        in_stream = isinstance(error, APIStatusError) and error.status_code < 400
        if isinstance(error, _TRANSIENT) or in_stream or not isinstance(error, APIStatusError):
            return self._away(doing, error)
        return Permanent(
            Code.LETTA_REFUSED,
            f"Letta at {self._url} refused to {doing} (HTTP {error.status_code}).",
            "Check LETTA_API_KEY and the server's log.",
        )

    def _away(self, doing: str, error: Exception) -> Temporary:
        return Temporary(
            Code.LETTA_UNAVAILABLE,
            f"Letta at {self._url} could not {doing} ({type(error).__name__}).",
            "It is tried again; see whether Letta is up with 'voice-agent status'.",
        )


def _summary(agent: Any) -> AgentSummary:
    return AgentSummary(agent.id, agent.name, agent.description or "", agent.model or "")


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
    content = message.content
    text = content if isinstance(content, str) else "".join(getattr(part, "text", "") for part in content)
    return StoredMessage(role, text, getattr(message, "sender_id", None) or "")
