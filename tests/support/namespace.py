"""Network namespace as another host, connected to this machine by a pair of interfaces and to no other network."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

OURS: Final = "198.51.100.1"
THEIRS: Final = "198.51.100.2"
"""Addresses reserved for documentation: no real network uses them."""
_NOBODY: Final = "02:00:00:00:00:01"
"""No interface has this address."""


@dataclass(frozen=True, slots=True)
class OtherHost:
    name: str

    def command(self, *words: str) -> tuple[str, ...]:
        """The command line that runs a program there."""
        return ("ip", "netns", "exec", self.name, *words)

    @contextmanager
    def unplugged(self) -> Iterator[None]:
        """Sets its interface down, which programs there notice."""
        _ip("-netns", self.name, "link", "set", f"{self.name}n", "down")
        try:
            yield
        finally:
            _ip("-netns", self.name, "link", "set", f"{self.name}n", "up")

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """Drops all packets in both directions without a link event, like a network failure further away."""
        ways = (("-netns", self.name), OURS, f"{self.name}n"), ((), THEIRS, f"{self.name}h")
        for where, address, device in ways:
            _ip(*where, "neigh", "replace", address, "lladdr", _NOBODY, "dev", device, "nud", "permanent")
        try:
            yield
        finally:
            for where, address, device in ways:
                _ip(*where, "neigh", "del", address, "dev", device)


def missing() -> str:
    """Why network namespaces cannot be used here; empty if they can."""
    if os.geteuid() != 0:
        return "a network namespace needs root"
    if not shutil.which("ip"):
        return "`ip` (iproute2) is missing"
    probe = f"{_name()}p"
    tried = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        return f"network namespaces are not allowed here: {tried.stderr.strip()}"
    _ip("netns", "del", probe)
    return ""


@contextmanager
def other_host() -> Iterator[OtherHost]:
    """A host whose only neighbour is `OURS`; always removed with its interfaces."""
    name = _name()
    inside, outside = f"{name}n", f"{name}h"
    _ip("netns", "add", name)
    try:
        _ip("link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name)
        _ip("address", "add", f"{OURS}/30", "dev", outside)
        _ip("link", "set", outside, "up")
        for change in (("address", "add", f"{THEIRS}/30", "dev", inside), ("link", "set", inside, "up")):
            _ip("-netns", name, *change)
        _ip("-netns", name, "link", "set", "lo", "up")
        yield OtherHost(name)
    finally:
        # Explicitly: the kernel removes the interfaces of a namespace some time later.
        subprocess.run(["ip", "link", "del", outside], capture_output=True, check=False)
        _ip("netns", "del", name)


def _name() -> str:
    return f"va{os.getpid()}"


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
