"""Host names and addresses: loopback or not, their form in a URL, whether a server can listen on them."""

from __future__ import annotations

import errno
import ipaddress
import re
import socket
from typing import Final
from urllib.parse import urlsplit

from voice_agent.errors import Code, Permanent

_EVERYWHERE: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
"""Wildcard bind address → an address that reaches it."""
_NAME: Final = re.compile(r"[a-z0-9._-]+")


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_everywhere(host: str) -> bool:
    return host in _EVERYWHERE


def reachable(host: str) -> str:
    """An address at which this machine reaches a server that listens on `host`."""
    return _EVERYWHERE.get(host, host)


def in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def is_ipv4(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 4
    except ValueError:
        return False


def host_name(header: str) -> str:
    """The name in a Host header without its port; empty when it is absent or malformed."""
    try:
        name = urlsplit(f"//{header}").hostname or ""
        return name if _NAME.fullmatch(name) else str(ipaddress.ip_address(name))
    except ValueError:
        return ""


def bind_error(host: str, port: int, *, udp: bool = False) -> OSError | None:
    """Why a server cannot listen there now; None: it can."""
    kind = socket.SOCK_DGRAM if udp else socket.SOCK_STREAM
    try:
        found = socket.getaddrinfo(host or None, port, type=kind, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in found if host else found[:1]:
            with socket.socket(family, kind) as probe:
                if not udp:
                    # As servers do: connections in TIME_WAIT after a restart do not make the port taken.
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(address)
    except OSError as error:
        return error
    return None


def require_listenable(host: str, port: int, setting: str) -> None:
    """Call before a server binds: raises an error that names the setting to change instead of an errno."""
    error = bind_error(host, port)
    if error is None:
        return
    if error.errno != errno.EADDRINUSE:
        raise cannot_listen(host, port, setting, error)
    raise Permanent(
        Code.PORT_TAKEN,
        f"Port {port} is taken by another program.",
        f"Stop that program, or set {setting} to another port.",
    )


def cannot_listen(host: str, port: int, setting: str, error: OSError) -> Permanent:
    """Error when the port is not taken. `setting` is that of the port; the only host setting is VOICE_HOST."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return Permanent(
            Code.SETTING_INVALID,
            f"{setting}={port} may not be used: {error.strerror}.",
            f"Set {setting} to a port from 1024 on, or start as a user who may use it.",
        )
    return Permanent(
        Code.SETTING_INVALID,
        f"Nothing can listen on VOICE_HOST={host}: {error.strerror or error}.",
        "Set VOICE_HOST to an address of this machine, or to 0.0.0.0 for all of them.",
    )
