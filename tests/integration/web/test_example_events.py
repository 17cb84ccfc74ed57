"""examples/follow_events.py: each line once and in order, also when the server goes and comes back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.bare_web import web_settings
from tests.support.control_plane import serving_apart
from tests.support.stack import REPOSITORY, free_ports
from voice_agent.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Nothing is behind it: the log is what the test writes."""
    (port,) = free_ports(1)
    made = web_settings(tmp_path, port=port, internal_secret="internal" * 4)
    made.reconnect_log.parent.mkdir(parents=True)
    return made


@contextmanager
def following(url: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    example = subprocess.Popen(
        [sys.executable, "examples/follow_events.py", "--url", url, *options],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with example:
        try:
            yield example
        finally:
            example.terminate()


def write(settings: Settings, *events: str) -> None:
    with settings.reconnect_log.open("a") as log:
        for event in events:
            line = {"time": "2026-11-27T12:00:00Z", "event": event, "room": "va-room", "fields": {"humans": 1}}
            log.write(json.dumps(line) + "\n")


def next_line(example: subprocess.Popen[str]) -> str:
    """Of ours: the server itself writes down that LiveKit cannot be reached."""
    assert example.stdout is not None
    return next(line for line in example.stdout if " va-room " in line)


def test_it_goes_on_behind_the_last_line(settings: Settings) -> None:
    write(settings, "human.joined")
    with following(settings.page_url) as example:
        with serving_apart(settings):
            assert next_line(example) == '2026-11-27T12:00:00Z va-room human.joined {"humans": 1}\n'
            write(settings, "greeting.spoken")
            assert " greeting.spoken " in next_line(example)
        write(settings, "human.left", "reset.started")
        with serving_apart(settings):
            assert " human.left " in next_line(example)
            assert " reset.started " in next_line(example)


def test_what_is_refused_is_said(settings: Settings) -> None:
    with serving_apart(settings), following(settings.page_url, "--secret", "wrong") as example:
        _, said = example.communicate()
        assert example.returncode == 1
        assert "This needs administration rights. [unauthorized]" in said
