"""The leak check itself: a test that leaves something behind fails, and says what."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
LEAKS = {
    "thread": "def test_it():\n    threading.Thread(target=threading.Event().wait, daemon=True).start()\n",
    "process": "def test_it():\n    KEPT.append(subprocess.Popen(['sleep', '20']))\n",
    "open file": "def test_it(tmp_path):\n    KEPT.append((tmp_path / 'x').open('w'))\n",
    "socket": "def test_it():\n    KEPT.append(socket.socket())\n",
    "task": "async def test_it():\n    KEPT.append(asyncio.create_task(asyncio.sleep(20)))\n",
}
HEAD = "import asyncio, socket, subprocess, threading\nKEPT = []\n"


@pytest.mark.parametrize("what", LEAKS)
def test_a_leak_fails_the_test_that_made_it(what: str, tmp_path: Path) -> None:
    printed = run_pytest(tmp_path, HEAD + LEAKS[what])
    assert "left behind" in printed
    assert what in printed
    assert "1 passed, 1 error" in printed


def test_a_tidy_test_passes(tmp_path: Path) -> None:
    tidy = "async def test_it():\n    await asyncio.create_task(asyncio.to_thread(subprocess.run, ['true']))\n"
    assert "1 passed" in run_pytest(tmp_path, HEAD + tidy)


def run_pytest(folder: Path, source: str) -> str:
    (folder / "test_leaky.py").write_text(source)
    (folder / "conftest.py").write_text("from tests.conftest import *  # noqa: F403\n")
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_leaky.py"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout
