"""Connection to a Letta V1 server: its errors as Temporary or Permanent, and the breaker that counts them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import httpx
import letta_client.resources  # noqa: F401  imported here, so that the first conversation does not wait for it
from letta_client import APIError, APIStatusError, AsyncLetta, DefaultAsyncHttpxClient, Letta

from voice_agent.errors import Code, Permanent, Temporary, VoiceAgentError
from voice_agent.memory.breaker import CircuitBreaker
from voice_agent.outbound import CONNECTIONS, tls
from voice_agent.settings import Settings

PAGE: Final = 100


_AN_AGENT: Final = {
    "id": "agent-1",
    "name": "nobody",
    "agent_type": "letta_v1_agent",
    "blocks": [{"id": "block-1", "label": "human", "value": "", "tags": [], "metadata": {}}],
    "memory": {"blocks": [{"label": "human", "value": ""}], "file_blocks": []},
    "tools": [{"id": "tool-1", "name": "none", "json_schema": {}, "tags": []}],
    "sources": [{}],
    "tags": [],
    "llm_config": {"model": "none", "model_endpoint_type": "openai", "context_window": 1},
    "embedding_config": {"embedding_model": "none", "embedding_endpoint_type": "openai", "embedding_dim": 1},
    "model_settings": {"provider_type": "openai"},
    "tool_rules": [{"type": "exit_loop", "tool_name": "none"}],
    "response_format": {"type": "text"},
    "created_at": "2026-11-28T00:00:00Z",
}


def load_models() -> None:
    """Build what letta-client builds with the first agent that it reads, for processes that are forked to inherit: it
    takes a tenth of a second, and a visitor waits for it."""
    answer = httpx.MockTransport(lambda _: httpx.Response(200, json=_AN_AGENT))
    with httpx.Client(transport=answer) as http:
        Letta(base_url="http://letta", api_key="unset", http_client=http).agents.retrieve("agent-1")


class LettaConnection:
    """The `AsyncLetta` client with its timeouts; every call goes through `_asking`."""

    def __init__(
        self, settings: Settings, *, timeout: float, page: int, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """`transport`: replaces the network."""
        self._url = settings.effective_letta_url
        self._page = page
        self.breaker = CircuitBreaker(f"Letta at {self._url}")
        self._client = AsyncLetta(
            base_url=self._url,
            api_key=settings.letta_api_key or "unset",
            # A retry inside the client could store a turn twice, so we retry ourselves.
            max_retries=0,
            http_client=DefaultAsyncHttpxClient(
                timeout=httpx.Timeout(timeout, connect=3.0),
                limits=CONNECTIONS,
                verify=tls(),
                transport=transport,
                event_hooks={"response": [self._heard]},
            ),
        )

    async def close(self) -> None:
        await self._client.close()

    async def _heard(self, _answer: httpx.Response) -> None:
        self.breaker.heard()

    @contextmanager
    def _asking(self, doing: str, *, of_model: bool = False) -> Iterator[None]:
        """`of_model`: Letta waits for its language model meanwhile, so a long silence says nothing about Letta."""
        asked_at = self.breaker.check()
        try:
            yield
        except asyncio.CancelledError:
            if not of_model:
                self.breaker.gave_up(asked_at)
            raise
        except APIStatusError as error:
            # Any answer but a server error proves that Letta is up.
            if error.status_code >= 500:
                self.breaker.failed()
            else:
                self.breaker.succeeded()
            raise _of_status(error, self._url, doing) from error
        except (APIError, httpx.HTTPError) as error:
            self.breaker.failed()
            raise _away(self._url, doing, type(error).__name__) from error
        except (ValueError, TypeError, AttributeError) as error:
            # Not JSON, or JSON of another shape: a proxy's error page, a truncated body.
            self.breaker.failed()
            raise _away(self._url, doing, f"an answer that makes no sense: {type(error).__name__}") from error
        self.breaker.succeeded()


def _of_status(error: APIStatusError, url: str, doing: str) -> VoiceAgentError:
    status = error.status_code
    if status < 400:
        # An error inside a stream that began well: Letta is up, its language model failed.
        return Temporary(Code.LLM_FAILED, f"Letta's language model failed: could not {doing}.", "It is tried again.")
    if status == 404 and "Handle" in str(error):
        return _away(url, doing, "it does not list the language model")
    if status in _BY_STATUS:
        kind, code, why = _BY_STATUS[status]
        return kind(code, f"{why}: could not {doing}.")
    if status >= 500:
        return _away(url, doing, f"HTTP {status}")
    return Permanent(
        Code.LETTA_REFUSED,
        f"Letta at {url} refused to {doing} (HTTP {status}).",
        "Check LETTA_API_KEY and the server's log.",
    )


_BY_STATUS: Final[dict[int, tuple[type[VoiceAgentError], Code, str]]] = {
    400: (Permanent, Code.BAD_REQUEST, "Letta found the request malformed"),
    404: (Permanent, Code.AGENT_NOT_FOUND, "Letta does not know what was asked for"),
    409: (Temporary, Code.CONFLICT, "Letta is busy with the same conversation"),
    413: (Permanent, Code.BAD_REQUEST, "Letta found the request too large"),
    422: (Permanent, Code.BAD_REQUEST, "Letta found an id or a field malformed"),
    429: (Temporary, Code.RATE_LIMITED, "Letta asked for patience"),
}


def _away(url: str, doing: str, why: str) -> Temporary:
    return Temporary(
        Code.LETTA_UNAVAILABLE,
        f"Letta at {url} could not {doing} ({why}).",
        "It is tried again; see whether Letta is up with 'voice-agent status'.",
    )


@contextmanager
def gone_is_fine() -> Iterator[None]:
    """Around a deletion: what was deleted before is no error."""
    try:
        yield
    except Permanent as error:
        if error.code is not Code.AGENT_NOT_FOUND:
            raise
