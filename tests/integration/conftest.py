"""A real livekit-server for the run; a control plane with its own database for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.control_plane import ControlPlane, control_plane
from tests.support.letta_directory import LettaDirectoryServer, running_letta_directory
from tests.support.livekit_server import LiveKitServer, running_livekit
from voice_agent.settings import Settings


@pytest.fixture(scope="session")
def livekit_server() -> Iterator[LiveKitServer]:
    with running_livekit() as server:
        yield server


@pytest.fixture
def control_settings(livekit_server: LiveKitServer, tmp_path: Path) -> Settings:
    return livekit_server.settings.model_copy(update={"home": tmp_path})


@pytest.fixture
def letta(control_settings: Settings) -> Iterator[LettaDirectoryServer]:
    with running_letta_directory(control_settings.letta_port) as directory:
        directory.add("agent-1", "Ada")
        directory.add("agent-2", "Bert")
        yield directory


@pytest.fixture
async def plane(control_settings: Settings, letta: LettaDirectoryServer) -> AsyncIterator[ControlPlane]:
    async with control_plane(control_settings) as running:
        yield running
