"""Chat backends: the local llama.cpp model, or an upstream server."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import httpx

from voice_agent.errors import Code, Permanent, Temporary, VoiceAgentError
from voice_agent.models import llm_stream
from voice_agent.models.child import Child
from voice_agent.models.kept_prompt import KeptPrompt
from voice_agent.models.kv_cache import KvCache, Place
from voice_agent.models.scheduler import StartLock
from voice_agent.models.tool_answers import ToolAnswer
from voice_agent.models.tools import as_schema, wanted
from voice_agent.outbound import CONNECTIONS
from voice_agent.providers.endpoints import Endpoint
from voice_agent.providers.local_server import BACKGROUND, CHECK, CHECK_AHEAD, FACTS, SHARED_PROMPT

LONGEST_ANSWER: Final = 1_024
"""Tokens, if the request sets no limit: a small model may ramble to the end of its context."""
CONVERSATIONS: Final = 4
BACKGROUND_SLOT: Final = CONVERSATIONS
FACTS_SLOT: Final = CONVERSATIONS + 1
CHECK_SLOT: Final = CONVERSATIONS + 2
SLOTS: Final = CONVERSATIONS + 3
"""KV cache slots: four for conversations, and three for other work so that it evicts no conversation."""
SLOT_OF: Final[Mapping[str, int]] = {
    BACKGROUND: BACKGROUND_SLOT,
    SHARED_PROMPT: BACKGROUND_SLOT,
    FACTS: FACTS_SLOT,
    CHECK: CHECK_SLOT,
    CHECK_AHEAD: CHECK_SLOT,
}
"""By the priority of a request; other requests use the slot of their conversation."""
COPIED: Final = "copied.slot"
CHECKS: Final = "checks.slot"
EVENTS: Final = "text/event-stream"


def is_shared_prompt(body: dict[str, Any]) -> bool:
    """Background work with a prompt_cache_key (SHARED_PROMPT): the prompt is saved by that key."""
    return body.get("id_slot") == BACKGROUND_SLOT and isinstance(body.get("prompt_cache_key"), str)


def begins_every_check(body: dict[str, Any]) -> bool:
    """CHECK_AHEAD, unlike a check itself, has a prompt_cache_key (models/chat.py)."""
    return body.get("id_slot") == CHECK_SLOT and isinstance(body.get("prompt_cache_key"), str)


@dataclass(frozen=True, slots=True)
class Answer:
    content: bytes | AsyncIterator[bytes]
    """If an iterator: server-sent events."""
    status: int = 200
    media_type: str | None = "application/json"


class ChatBackend(Protocol):
    @property
    def local(self) -> bool:
        """Computed on this machine: it competes for the cores."""

    def is_cached(self, body: dict[str, Any]) -> bool:
        """This prompt is saved already: a shared-prompt request has nothing to do."""

    def can_check(self) -> bool:
        """The long instruction of checks is read: one takes a second, not ten."""

    def ask(self, body: dict[str, Any]) -> AbstractAsyncContextManager[Answer]: ...


class LocalBackend:
    local = True

    def __init__(self, child: Child, model: str, kept_prompt: KeptPrompt, files: Path) -> None:
        """`files`: the folder in which llama.cpp saves slots."""
        self._child = child
        self._model = model
        self._kept_prompt = kept_prompt
        self._files = files
        self._kv_cache = KvCache(CONVERSATIONS)
        self._start_lock = StartLock()
        self._restarts = 0
        self._check_read_at: int | None = None
        """Number of restarts of the process that has read what every check begins with."""
        self._check_kept: Path | None = None
        """File of the same, once it is known which."""

    def can_check(self) -> bool:
        return self._check_read_at == self._child.restarts or self._check_kept is not None

    @asynccontextmanager
    async def ask(self, body: dict[str, Any]) -> AsyncIterator[Answer]:
        self._check(body)
        if not any(body.get(bound) for bound in ("max_tokens", "max_completion_tokens")):
            body = {**body, "max_tokens": LONGEST_ANSWER}
        tools = wanted(body)
        if tools:
            body = as_schema(body, tools)
        async with self._start_lock.one() as begun, self._read(body) as lines:
            chunks = llm_stream.chunks(lines, ToolAnswer() if tools else None, begun)
            if body.get("stream"):
                yield Answer(llm_stream.streamed(chunks), media_type=EVENTS)
            else:
                yield Answer(await llm_stream.collected(chunks))
        if body.get("id_slot") == CHECK_SLOT:
            self._check_read_at = self._child.restarts
            if begins_every_check(body):
                await self._keep_check(json.dumps(body["messages"]))
        if is_shared_prompt(body):
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
        if body.get("id_slot") == CHECK_SLOT and self._check_read_at != self._child.restarts:
            await self._take_kept_check(body)
        with self._place(body) as place:
            if place.copy_of is not None:
                await self._copy(place.copy_of, place.slot)
            sent = llm_stream.reporting({**body, "id_slot": place.slot})
            async with self._child.ask("/v1/chat/completions", Code.LLM_FAILED, json=sent) as response:
                yield response.aiter_lines()

    def is_cached(self, body: dict[str, Any]) -> bool:
        return is_shared_prompt(body) and self._kv_cache.is_saved(
            body["prompt_cache_key"], json.dumps(body["messages"])
        )

    def _place(self, body: dict[str, Any]) -> AbstractContextManager[Place]:
        if body.get("id_slot") in SLOT_OF.values():
            return nullcontext(Place(body["id_slot"]))
        if self._child.restarts != self._restarts:
            self._restarts = self._child.restarts
            self._kv_cache.forget_slots()
        prompt = json.dumps(body["messages"])
        # A request without a prompt_cache_key is identified by its first message.
        return self._kv_cache.place(str(body.get("prompt_cache_key") or json.dumps(body["messages"][0])), prompt)

    async def _copy(self, known: int | str, to: int) -> None:
        """If the copy fails, llama.cpp reads the prompt anew."""
        with suppress(VoiceAgentError):
            if isinstance(known, str):
                await self._file(to, "restore", known)
                return
            await self._file(known, "save", COPIED)
            await self._file(to, "restore", COPIED)

    async def _keep(self, body: dict[str, Any]) -> None:
        with self._kv_cache.saved(body["prompt_cache_key"], json.dumps(body["messages"])) as name:
            await self._file(BACKGROUND_SLOT, "save", name)

    async def _take_kept_check(self, body: dict[str, Any]) -> None:
        """After a start or a restart of the process. If that fails, llama.cpp reads it anew."""
        if begins_every_check(body):
            file = self._kept_prompt.file_of(json.dumps(body["messages"]))
            self._check_kept = file if file.exists() else None
        if self._check_kept is not None:
            with suppress(VoiceAgentError, OSError):
                await asyncio.to_thread(shutil.copyfile, self._check_kept, self._files / CHECKS)
                await self._file(CHECK_SLOT, "restore", CHECKS)

    async def _keep_check(self, prompt: str) -> None:
        """Optional: the next start reads it anew."""
        if self._check_kept is None:
            with suppress(VoiceAgentError, OSError):
                await self._file(CHECK_SLOT, "save", CHECKS)
                await asyncio.to_thread(self._kept_prompt.keep, prompt, self._files / CHECKS)
                self._check_kept = self._kept_prompt.file_of(prompt)

    async def _file(self, slot: int, action: str, name: str) -> None:
        path = f"/slots/{slot}?action={action}"
        async with self._child.ask(path, Code.LLM_FAILED, json={"filename": name}) as done:
            await done.aread()


class RemoteBackend:
    """Another OpenAI-style server. Its error responses are passed on unchanged; only transport errors become ours."""

    local = False

    def __init__(self, endpoint: Endpoint) -> None:
        self._url = endpoint.base_url
        self.client = httpx.AsyncClient(
            base_url=endpoint.base_url,
            headers={"Authorization": f"Bearer {endpoint.api_key}"},
            timeout=httpx.Timeout(120.0, connect=5.0),
            limits=CONNECTIONS,
        )

    def is_cached(self, body: dict[str, Any]) -> bool:
        return False

    def can_check(self) -> bool:
        return True

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
