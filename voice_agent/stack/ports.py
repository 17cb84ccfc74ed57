"""Port check before the start: every port is free, and no two services use the same."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence

from voice_agent.addresses import bind_error, cannot_listen
from voice_agent.errors import Code, Permanent
from voice_agent.stack.processes import holder
from voice_agent.stack.services import Port, Service


def free_port() -> int:
    """A port that nothing listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def require_free(services: Sequence[Service]) -> None:
    seen: dict[tuple[int, bool], Port] = {}
    for service in services:
        for port in service.ports:
            _require_usable(service, port, seen.setdefault((port.number, port.udp), port))


def _require_usable(service: Service, port: Port, first: Port) -> None:
    if port.number == 0:
        raise Permanent(
            Code.SETTING_INVALID,
            f"{port.setting} is 0: the other parts could not find {service.name}.",
            f"Set {port.setting} to a free port.",
        )
    if first is not port:
        raise Permanent(
            Code.SETTING_INVALID,
            f"{first.setting} and {port.setting} are both {port.number}.",
            f"Set {port.setting} to another port.",
        )
    if error := bind_error(port.host, port.number, udp=port.udp):
        if error.errno != errno.EADDRINUSE:
            raise cannot_listen(port.host, port.number, port.setting, error)
        raise Permanent(
            Code.PORT_TAKEN,
            f"Port {port.number}, which {service.name} needs, is taken by {holder(port.number, udp=port.udp)}.",
            f"Stop that program, or set {port.setting} to another port.",
        )
