"""Who answers a chat request: the model on this machine, or another server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

import httpx

from voice_agent.errors import Code, Permanent, Temporary, VoiceAgentError
from voice_agent.models import written
from voice_agent.models.admission import Beginnings
from voice_agent.models.catalog import BACKGROUND, CHECK, CHECK_AHEAD, FACTS, FOR_MANY
from voice_agent.models.child import Child
from voice_agent.models.endpoints import Endpoint
from voice_agent.models.slots import Place, Slots
from voice_agent.models.tool_answers import ToolAnswer
from voice_agent.models.tools import as_schema, wanted
from voice_agent.outbound import CONNECTIONS

LONGEST_ANSWER: Final = 1_024
"""Tokens, where the request names no bound: a small model may ramble to the end of its context."""
CONVERSATIONS: Final = 4
BACKGROUND_SLOT: Final = CONVERSATIONS
FACTS_SLOT: Final = CONVERSATIONS + 1
CHECK_SLOT: Final = CONVERSATIONS + 2
SLOTS: Final = CONVERSATIONS + 3
"""Prompts whose beginning stays computed: conversations, and three for other work so that it evicts none of them."""
SLOT_OF: Final[Mapping[str, int]] = {
    BACKGROUND: BACKGROUND_SLOT,
    FOR_MANY: BACKGROUND_SLOT,
    FACTS: FACTS_SLOT,
    CHECK: CHECK_SLOT,
    CHECK_AHEAD: CHECK_SLOT,
}
"""By the priority of a request; others have the slot of their conversation."""
COPIED: Final = "copied.slot"
EVENTS: Final = "text/event-stream"


def for_many(body: dict[str, Any]) -> bool:
    """Background work that has a name is kept by it (FOR_MANY)."""
    return body.get("id_slot") == BACKGROUND_SLOT and isinstance(body.get("prompt_cache_key"), str)


@dataclass(frozen=True, slots=True)
class Answer:
    content: bytes | AsyncIterator[bytes]
    """An iterator: server-sent events."""
    status: int = 200
    media_type: str | None = "application/json"


class Brain(Protocol):
    """Something that answers a chat request."""

    @property
    def local(self) -> bool:
        """Computed on this machine: it competes for the cores."""

    def knows(self, body: dict[str, Any]) -> bool:
        """There is nothing to read."""

    def ask(self, body: dict[str, Any]) -> AbstractAsyncContextManager[Answer]: ...


class LocalBrain:
    local = True

    def __init__(self, child: Child, model: str) -> None:
        self._child = child
        self._model = model
        self._slots = Slots(CONVERSATIONS)
        self._beginnings = Beginnings()
        self._restarts = 0

    @asynccontextmanager
    async def ask(self, body: dict[str, Any]) -> AsyncIterator[Answer]:
        self._check(body)
        if not any(body.get(bound) for bound in ("max_tokens", "max_completion_tokens")):
            body = {**body, "max_tokens": LONGEST_ANSWER}
        tools = wanted(body)
        if tools:
            body = as_schema(body, tools)
        async with self._beginnings.one() as begun, self._read(body) as lines:
            chunks = written.chunks(lines, ToolAnswer() if tools else None, begun)
            if body.get("stream"):
                yield Answer(written.streamed(chunks), media_type=EVENTS)
            else:
                yield Answer(await written.collected(chunks))
        if for_many(body):
            await self._keep(body)

    def _check(self, body: dict[str, Any]) -> None:
        if body["model"] != self._model:
            raise Permanent(
                Code.MODEL_UNKNOWN,
                f"The model {body['model']!r} does not exist here.",
                f"Use {self._model!r}, or see GET /v1/models.",
                param="model",
            )

    @asynccontextmanager
    async def _read(self, body: dict[str, Any]) -> AsyncIterator[AsyncIterator[str]]:
        with self._place(body) as place:
            if place.copy_of is not None:
                await self._copy(place.copy_of, place.slot)
            sent = written.reporting({**body, "id_slot": place.slot})
            async with self._child.ask("/v1/chat/completions", Code.LLM_FAILED, json=sent) as response:
                yield response.aiter_lines()

    def knows(self, body: dict[str, Any]) -> bool:
        """What was to be read for many is read already."""
        return for_many(body) and self._slots.shelved(body["prompt_cache_key"], json.dumps(body["messages"]))

    def _place(self, body: dict[str, Any]) -> AbstractContextManager[Place]:
        if body.get("id_slot") in SLOT_OF.values():
            return nullcontext(Place(body["id_slot"]))
        if self._child.restarts != self._restarts:
            self._restarts = self._child.restarts
            self._slots.forget_slots()
        prompt = json.dumps(body["messages"])
        # Who does not say which conversation it is is known by its beginning.
        return self._slots.place(str(body.get("prompt_cache_key") or json.dumps(body["messages"][0])), prompt)

    async def _copy(self, known: int | str, to: int) -> None:
        """The prompt is read anew where this fails."""
        with suppress(VoiceAgentError):
            if isinstance(known, str):
                await self._file(to, "restore", known)
                return
            await self._file(known, "save", COPIED)
            await self._file(to, "restore", COPIED)

    async def _keep(self, body: dict[str, Any]) -> None:
        with self._slots.shelf(body["prompt_cache_key"], json.dumps(body["messages"])) as name:
            await self._file(BACKGROUND_SLOT, "save", name)

    async def _file(self, slot: int, action: str, name: str) -> None:
        path = f"/slots/{slot}?action={action}"
        async with self._child.ask(path, Code.LLM_FAILED, json={"filename": name}) as done:
            await done.aread()


class Upstream:
    """Another OpenAI-style server. Its refusals are passed on as they are; only its silence is ours to explain."""

    local = False

    def __init__(self, endpoint: Endpoint) -> None:
        self._url = endpoint.base_url
        self.client = httpx.AsyncClient(
            base_url=endpoint.base_url,
            headers={"Authorization": f"Bearer {endpoint.api_key}"},
            timeout=httpx.Timeout(120.0, connect=5.0),
            limits=CONNECTIONS,
        )

    def knows(self, body: dict[str, Any]) -> bool:
        return False

    @asynccontextmanager
    async def ask(self, body: dict[str, Any]) -> AsyncIterator[Answer]:
        try:
            async with self.client.stream("POST", "/chat/completions", json=body) as response:
                media_type = response.headers.get("content-type")
                streams = response.status_code < 400 and (media_type or "").startswith(EVENTS)
                content = response.aiter_bytes() if streams else await response.aread()
                yield Answer(content, response.status_code, media_type)
        except httpx.TransportError as error:
            raise Temporary(
                Code.LLM_FAILED,
                f"The language model at {self._url} gave no answer ({type(error).__name__}).",
                "Check VOICE_LLM_BASE_URL or OPENAI_BASE_URL and that the server runs.",
            ) from error
