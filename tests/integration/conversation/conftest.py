from __future__ import annotations

import pytest
from livekit.rtc._ffi_client import FfiClient


@pytest.fixture(scope="session", autouse=True)
def media_engine() -> object:
    """The native engine keeps a few sockets for as long as the process lives: they belong to the run, not to a test."""
    return FfiClient.instance
