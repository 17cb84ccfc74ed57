"""URL validation for settings and configurations: syntax only, no name is resolved. Pure."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

HTTP: Final = ("http", "https")
LIVEKIT: Final = ("ws", "wss", "http", "https")
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE | re.ASCII)
_UNUSABLE: Final = re.compile(r"[\s\x00-\x1f\x7f]")
_MOST: Final = 500


def mistake(url: str, schemes: tuple[str, ...]) -> str | None:
    """What is wrong with the URL, as the end of a sentence that begins with its name; None: usable. The URL is not
    repeated: it may hold a password."""
    if len(url) > _MOST:
        return f"is longer than {_MOST} characters"
    if _UNUSABLE.search(url):
        return "has a space or a control character in it"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is not a URL: look at the host and the port"
    if parts.scheme not in schemes or not url.lower().startswith(f"{parts.scheme}://"):
        return f"does not begin with {' or '.join(f'{scheme}://' for scheme in schemes)}"
    if port == 0 or parts.netloc.endswith(":"):
        return "has no usable port"
    if not _is_host(parts):
        return "has no usable host"
    return None


def _is_host(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    if "[" in parts.netloc:
        return _is_ipv6(host)
    try:
        labels = host.encode("idna").decode("ascii").removesuffix(".").split(".")
    except UnicodeError:
        return False
    return all(_LABEL.fullmatch(label) for label in labels)


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True
