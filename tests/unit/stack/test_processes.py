"""Process identities and ends: an ended process is not waited for."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import psutil
import pytest

from voice_agent.stack.processes import Identity, end

NEGLIGENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""
"""A parent that never looks after its child: what is dead stays a zombie."""
OBEDIENT = "import time; print(flush=True); time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"


@pytest.mark.parametrize("child", [OBEDIENT, STUBBORN])
def test_a_dead_process_that_nobody_buries_is_not_waited_for(child: str) -> None:
    with subprocess.Popen([sys.executable, "-c", NEGLIGENT, child], stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout is not None
            process = psutil.Process(int(parent.stdout.readline()))
            began = time.monotonic()
            end([process], grace=20.0 if child == OBEDIENT else 0.2)
            assert time.monotonic() - began < 10.0
            assert process.status() == psutil.STATUS_ZOMBIE
        finally:
            parent.send_signal(signal.SIGKILL)


def test_one_that_ended_at_once_has_an_identity_that_no_process_has() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    assert Identity.of(ended.pid).process() is None
