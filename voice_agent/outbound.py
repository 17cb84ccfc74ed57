"""What our HTTP clients have in common."""

from __future__ import annotations

import ssl
from functools import cache
from typing import Final

import httpx

CONNECTIONS: Final = httpx.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=3.0)
"""Servers close what is idle (uvicorn after 5 s, httpx's own limit too), and a request sent at that moment is lost.
So that it is always us who close, we are well ahead of them."""


@cache
def tls() -> ssl.SSLContext:
    """One context for all clients of a process. Reading the machine's certificates takes 50 ms of a whole core: a job
    process inherits what was read, and no conversation stops for it."""
    return httpx.create_ssl_context()
