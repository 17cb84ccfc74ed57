"""Leak check of the tests: a test that leaves something behind fails and names it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.eventually import PATIENCE

REPOSITORY = Path(__file__).parents[3]
LEAKY = """
import asyncio, socket, subprocess, threading
KEPT = []

def test_thread():
    threading.Thread(target=threading.Event().wait, daemon=True, name="forgotten").start()

def test_process():
    KEPT.append(subprocess.Popen(["sleep", "20"]))

def test_open_file(tmp_path):
    KEPT.append((tmp_path / "x").open("w"))

def test_socket():
    KEPT.append(socket.socket())

async def test_task():
    KEPT.append(asyncio.create_task(asyncio.sleep(20), name="forgotten"))

async def test_tidy():
    await asyncio.create_task(asyncio.to_thread(subprocess.run, ["true"]))
"""
LEFT = {
    "test_thread": "thread forgotten",
    "test_process": "process",
    "test_open_file": "open file /",
    "test_socket": "open file socket",
    "test_task": "task forgotten",
}


def test_a_leak_fails_the_test_that_made_it_and_no_other(tmp_path: Path) -> None:
    printed = run_pytest(tmp_path, LEAKY)
    assert "6 passed, 5 errors" in printed, printed
    for test, what in LEFT.items():
        assert re.search(rf"ERROR test_leaky.py::{test} - .*left behind: {what}", printed), printed


def run_pytest(folder: Path, source: str) -> str:
    (folder / "test_leaky.py").write_text(source)
    (folder / "conftest.py").write_text(
        "from tests.conftest import *\nfrom tests.support import leaks\nleaks.GRACE = 0.2\n"
    )
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rE", "-p", "no:cacheprovider", "test_leaky.py"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.stdout
