"""HTTP client for memory's language model calls: an OpenAI-style chat endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import httpx

from voice_agent.outbound import tls


class Endpoint(Protocol):
    """Address, key and model of the language model."""

    @property
    def base_url(self) -> str: ...
    @property
    def api_key(self) -> str: ...
    @property
    def model(self) -> str: ...


def client_of(endpoint: Endpoint, headers: Mapping[str, str], timeout: httpx.Timeout) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=endpoint.base_url,
        headers={"Authorization": f"Bearer {endpoint.api_key}", **headers},
        verify=tls(),
        timeout=timeout,
    )
