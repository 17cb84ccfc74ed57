"""One TLS context for all clients of a process. Reading the machine's certificates takes 50 ms of a whole core: a job
process inherits what was read, and no conversation stops for it."""

from __future__ import annotations

import ssl
from functools import cache

import httpx


@cache
def tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()
