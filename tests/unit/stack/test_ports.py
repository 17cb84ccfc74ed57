"""Port check: a taken port is found before anything is started."""

from __future__ import annotations

import os
import socket

import pytest

from tests.support.stack import PORTS, free_ports
from voice_agent.errors import Code, Permanent
from voice_agent.settings import Settings
from voice_agent.stack.ports import require_free
from voice_agent.stack.services import table


def settings(**change: str) -> Settings:
    ports = zip(PORTS, map(str, free_ports(len(PORTS))), strict=True)
    return Settings.model_validate(dict(ports) | change)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_taken_port_is_named_with_its_holder_and_its_setting(kind: socket.SocketKind) -> None:
    wanted = settings()
    name = "livekit_udp_port" if kind is socket.SOCK_DGRAM else "port"
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", getattr(wanted, name)))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        with pytest.raises(Permanent) as refused:
            require_free(table(wanted))
    assert refused.value.code is Code.PORT_TAKEN
    assert f"(pid {os.getpid()})" in refused.value.message
    assert ("VOICE_LIVEKIT_UDP_PORT" if kind is socket.SOCK_DGRAM else "VOICE_PORT") in refused.value.remedy
    require_free(table(wanted))


def test_two_settings_with_one_port_are_refused() -> None:
    [port] = free_ports(1)
    with pytest.raises(Permanent) as refused:
        require_free(table(settings(VOICE_LETTA_PORT=str(port), VOICE_MODELS_PORT=str(port))))
    assert "VOICE_LETTA_PORT" in refused.value.message
    assert "VOICE_MODELS_PORT" in refused.value.message


def test_workers_side_by_side_have_names_and_ports_of_their_own() -> None:
    services = table(settings(VOICE_WORKERS="3", VOICE_WORKER_PORT="9000"))
    workers = {service.name: service.ports[0].number for service in services if service.holds_leases}
    assert workers == {"worker": 9000, "worker-2": 9001, "worker-3": 9002}
    told = {service.name: service.environment()["VOICE_WORKER_PORT"] for service in services if service.holds_leases}
    assert told == {name: str(port) for name, port in workers.items()}
    serving = next(service for service in services if service.name == "serve")
    assert serving.environment()["VOICE_WORKER_PORT"] == "9000"


def test_what_is_given_by_url_is_not_started() -> None:
    names = [service.name for service in table(settings()) if service.ours]
    assert names == ["postgres", "models", "letta", "livekit", "serve", "worker"]
    theirs = Settings(letta_base_url="https://letta.example", livekit_url="wss://livekit.example")
    assert [service.name for service in table(theirs) if service.ours] == ["models", "serve", "worker"]
    assert {service.name: service.where for service in table(theirs) if not service.ours} == {
        "letta": "https://letta.example",
        "livekit": "wss://livekit.example",
    }
