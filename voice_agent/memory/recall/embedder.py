"""Embedder: an OpenAI-style server turns texts into vectors of length one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Protocol

import httpx
import numpy as np
from numpy.typing import NDArray

from voice_agent.errors import Code, Permanent, Temporary, VoiceAgentError
from voice_agent.outbound import tls

Vectors = NDArray[np.float32]

QUERY_DEADLINE: Final = 1.5
"""Seconds for the whole of a question: an answer waits for it."""
BATCH_DEADLINE: Final = 30.0
"""Seconds for each batch of passages: an index is built beside conversations, at a low priority."""
BATCH: Final = 32
LONGEST_TEXT: Final = 8_000
"""Characters. Embedding models read only the beginning of a text, and servers refuse much longer ones."""
KEPT: Final = httpx.Limits(max_connections=8, max_keepalive_connections=2, keepalive_expiry=60.0)
"""Keeps a connection open for a question. The server may have closed it, so a request is sent a second time."""
REMEDY: Final = "Check VOICE_EMBEDDING_BASE_URL and VOICE_EMBEDDING_MODEL, or run `voice-agent doctor`."


class Embedder(Protocol):
    @property
    def model(self) -> str:
        """The model and its version: vectors of different ones are not comparable."""

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """One row of length one for each text; raises `Temporary` or `Permanent`."""


class NoEmbedder:
    """Embedder where there is no embedding model."""

    model = ""

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        raise Permanent(Code.EMBEDDING_FAILED, "There is no embedding model.", REMEDY)


class HttpEmbedder:
    """`Embedder` over HTTP."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        model: str,
        *,
        version: str = "",
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.model = f"{model}@{version}" if version else model
        self._name = model
        self._url = base_url
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=httpx.Timeout(None),  # one deadline for a whole request, below
            limits=KEPT,
            verify=tls(),
            transport=transport,
        )

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        if not texts:
            return np.zeros((0, 0), np.float32)
        deadline = QUERY_DEADLINE if query else BATCH_DEADLINE
        rows = [await self._batch(texts[start : start + BATCH], deadline) for start in range(0, len(texts), BATCH)]
        if len({batch.shape[1] for batch in rows}) > 1:
            raise self._senseless("vectors of different lengths")
        return np.concatenate(rows)

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _batch(self, texts: Sequence[str], deadline: float) -> Vectors:
        body: dict[str, Any] = {"model": self._name, "input": [text[:LONGEST_TEXT] for text in texts]}
        try:
            async with asyncio.timeout(deadline):
                answer = await self._posted(body)
        except TimeoutError:
            message = f"{self._url} made no embeddings within {deadline:g} s."
            raise Temporary(Code.MODEL_UNREACHABLE, message, REMEDY) from None
        except httpx.HTTPError as error:
            message = f"{self._url} made no embeddings ({type(error).__name__})."
            raise Temporary(Code.MODEL_UNREACHABLE, message, REMEDY) from error
        if not answer.is_success:
            raise self._refusal(answer)
        return self._vectors(answer, len(texts))

    async def _posted(self, body: dict[str, Any]) -> httpx.Response:
        try:
            return await self._client.post("/embeddings", json=body)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            return await self._client.post("/embeddings", json=body)

    def _vectors(self, answer: httpx.Response, wanted: int) -> Vectors:
        try:
            data = sorted(answer.json()["data"], key=lambda row: row["index"])
            vectors = np.array([row["embedding"] for row in data], np.float32)
        except (ValueError, KeyError, TypeError) as error:
            raise self._senseless(type(error).__name__) from error
        if vectors.ndim != 2 or len(vectors) != wanted:
            raise self._senseless(f"{len(vectors)} vectors for {wanted} texts")
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(lengths).all() or not lengths.all():
            raise self._senseless("a vector without a direction")
        normalised: Vectors = (vectors / lengths).astype(np.float32)
        return normalised

    def _refusal(self, answer: httpx.Response) -> VoiceAgentError:
        status, where = answer.status_code, f"{self._name} at {self._url}"
        if status in (401, 403):
            return Permanent(Code.UNAUTHORIZED, f"{self._url} does not accept the key.", "Check the embedding key.")
        if status == 404:
            return Permanent(Code.MODEL_UNKNOWN, f"There is no embedding model {where}.", REMEDY)
        if status == 429:
            return Temporary(Code.RATE_LIMITED, f"{where} refuses more requests.", "Check the account's quota.")
        if status >= 500:
            code = Code.MODEL_UNREACHABLE if status in (502, 503, 504) else Code.EMBEDDING_FAILED
            return Temporary(code, f"{where} answered {status}.", "It is tried again.")
        return Permanent(Code.EMBEDDING_FAILED, f"{where} refused the texts ({status}).", REMEDY)

    def _senseless(self, why: str) -> Temporary:
        # Temporary, because a proxy's error page looks like this, too.
        return Temporary(Code.EMBEDDING_FAILED, f"{self._url} made no usable embeddings ({why}).", REMEDY)
