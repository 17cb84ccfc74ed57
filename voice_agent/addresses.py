"""Host names and addresses: which of them are this machine's own, and how they stand in a URL."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_name(header: str) -> str:
    """The name in a Host header, without its port. Empty when there is none, or none that can be read."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""
