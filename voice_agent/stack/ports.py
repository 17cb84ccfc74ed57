"""Before anything is started: every port is free, and no two parts want the same."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from voice_agent.addresses import bind_error, cannot_listen
from voice_agent.errors import Code, Permanent
from voice_agent.stack.parts import Part, Port
from voice_agent.stack.processes import holder


def require_free(parts: Sequence[Part]) -> None:
    seen: dict[tuple[int, bool], Port] = {}
    for part in parts:
        for port in part.ports:
            _require_usable(part, port, seen.setdefault((port.number, port.udp), port))


def _require_usable(part: Part, port: Port, first: Port) -> None:
    if port.number == 0:
        raise Permanent(
            Code.SETTING_INVALID,
            f"{port.setting} is 0: the other parts could not find {part.name}.",
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
            f"Port {port.number}, which {part.name} needs, is taken by {holder(port.number, udp=port.udp)}.",
            f"Stop that program, or set {port.setting} to another port.",
        )
