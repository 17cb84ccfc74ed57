"""Connection limits and TLS context shared by our HTTP clients."""

from __future__ import annotations

import ssl
from functools import cache
from typing import Final

import httpx

CONNECTIONS: Final = httpx.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=3.0)
"""Servers close idle connections (uvicorn after 5 s, also httpx's default), and a request sent at that moment is lost.
Our clients close well before that, so that it is always the client that closes."""


@cache
def tls() -> ssl.SSLContext:
    """One context for all clients of a process. Reading the machine's certificates takes 50 ms of a whole core: a job
    process inherits the loaded context, so that no conversation pauses for it."""
    return httpx.create_ssl_context()
