"""Fetching from a model hub: there, moved, slow, interrupted, with wrong bytes, away."""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.downloads.hub import Hub, running_hub
from tests.integration.downloads.registry import Registry
from voice_agent.downloads import Artifact, Place, Progress, fetch
from voice_agent.downloads import hub as hub_client
from voice_agent.errors import Code, Permanent, Temporary

BYTES = os.urandom(900_000)
ON_HUB = Place("hub", "owner/name", "c0ffee", "folder/model.gguf")
PATH = "/owner/name/resolve/c0ffee/folder/model.gguf"
IN_REGISTRY = Place("pypi", "part-one", "1.0", "part_one/a.bin")


def artifact(*places: Place) -> Artifact:
    return Artifact("thing", hashlib.sha256(BYTES).hexdigest(), len(BYTES), tuple((place,) for place in places))


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub() as running:
        running.files[PATH] = BYTES
        yield running


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    with Registry() as running:
        monkeypatch.setenv("PIP_INDEX_URL", f"{running.url}/simple")
        monkeypatch.setenv("PIP_RETRIES", "0")
        running.publish_wheel("part_one", {"part_one/a.bin": BYTES})
        yield running


@pytest.fixture
def nobody() -> Iterator[str]:
    """Address of a port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def nothing_left(cache: Path) -> bool:
    return not list((cache / "parts").iterdir())


def test_a_file_is_fetched_checked_and_kept(hub: Hub, tmp_path: Path) -> None:
    heard: list[Progress] = []
    assert fetch(artifact(ON_HUB), tmp_path, heard.append, hub.url).read_bytes() == BYTES
    assert (heard[-1].done, heard[-1].total) == (len(BYTES), len(BYTES))
    assert nothing_left(tmp_path)
    fetch(artifact(ON_HUB), tmp_path, hub=hub.url)
    assert len(hub.ranges) == 1, "asked once"


def test_a_file_that_is_kept_elsewhere_is_followed(hub: Hub, tmp_path: Path) -> None:
    with running_hub() as store:
        store.files, hub.moved_to = hub.files, store.url
        assert fetch(artifact(ON_HUB), tmp_path, hub=hub.url).read_bytes() == BYTES


def test_a_download_that_broke_off_goes_on_where_it_ended(hub: Hub, tmp_path: Path) -> None:
    hub.breaks_off_after = 500_000
    with pytest.raises(Temporary) as failed:
        fetch(artifact(ON_HUB), tmp_path, hub=hub.url)
    assert failed.value.code is Code.DOWNLOAD_FAILED
    assert fetch(artifact(ON_HUB), tmp_path, hub=hub.url).read_bytes() == BYTES
    assert hub.ranges[0] == ""
    assert 0 < int(hub.ranges[1].removeprefix("bytes=").removesuffix("-")) <= 500_000


@pytest.mark.parametrize("wrong", [os.urandom(len(BYTES)), BYTES + b"more"], ids=["other bytes", "too many"])
def test_wrong_bytes_are_discarded(hub: Hub, tmp_path: Path, wrong: bytes) -> None:
    hub.files[PATH] = wrong
    with pytest.raises(Permanent) as failed:
        fetch(artifact(ON_HUB), tmp_path, hub=hub.url)
    assert failed.value.code is Code.MODEL_CORRUPT
    hub.files[PATH] = BYTES
    assert fetch(artifact(ON_HUB), tmp_path, hub=hub.url).read_bytes() == BYTES


@pytest.mark.parametrize("harm", ["away", "without the file", "with wrong bytes", "off"])
def test_where_the_hub_does_not_have_it_the_registry_does(
    hub: Hub, registry: Registry, nobody: str, tmp_path: Path, harm: str
) -> None:
    if harm == "without the file":
        hub.files.clear()
    if harm == "with wrong bytes":
        hub.files[PATH] = os.urandom(len(BYTES))
    address = {"away": nobody, "off": ""}.get(harm, hub.url)
    began = time.monotonic()
    assert fetch(artifact(ON_HUB, IN_REGISTRY), tmp_path, hub=address).read_bytes() == BYTES
    assert time.monotonic() - began < 60
    assert registry.served["part_one-1.0-py3-none-any.whl"] == 1


def test_a_hub_that_is_too_slow_is_given_up(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_client, "SLOW_FOR", 0.0)
    monkeypatch.setattr(hub_client, "SLOWEST", 1e15)
    with pytest.raises(Temporary, match="too slowly"):
        fetch(artifact(ON_HUB), tmp_path, hub=hub.url)


def test_without_a_hub_it_is_said_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(Permanent) as failed:
        fetch(artifact(ON_HUB), tmp_path)
    assert "VOICE_MODEL_HUB" in failed.value.remedy
