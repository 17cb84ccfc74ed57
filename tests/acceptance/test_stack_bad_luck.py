"""Failures of real machines, with the real command: a clear message, and nothing left half started."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.stack import PORTS, REPOSITORY, Stack, environment, run_command, temporary_home
from voice_agent.addresses import bind_error
from voice_agent.stack import state
from voice_agent.stack.processes import marked
from voice_agent.stack.state import Phase, RunState

BACK_WITHIN = 180.0


def wait_until(condition: Callable[[], Any], within: float = BACK_WITHIN) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def written(home: Path) -> RunState:
    found = state.load(home)
    assert found
    return found


@pytest.fixture
def small(stack: Stack) -> Iterator[dict[str, str]]:
    """The environment of a second system beside the first: Letta, LiveKit and models are given by URL."""
    theirs = stack.settings
    with temporary_home() as home:
        told = environment(
            home,
            LETTA_BASE_URL=theirs.effective_letta_url,
            LETTA_API_KEY=theirs.letta_api_key,
            LIVEKIT_URL=theirs.effective_livekit_url,
            LIVEKIT_API_KEY=theirs.livekit_api_key,
            LIVEKIT_API_SECRET=theirs.livekit_api_secret,
            LIVEKIT_AGENT_NAME="the-small-one",
            OPENAI_BASE_URL=theirs.models_url,
        )
        yield told
        assert run_command(told, "down").returncode == 0
        assert_all_gone(told)


def assert_all_gone(told: dict[str, str]) -> None:
    assert all(bind_error("127.0.0.1", int(told[name])) is None for name in PORTS)
    assert state.load(Path(told["VOICE_HOME"])) is None


@pytest.mark.parametrize("name", ["postgres", "models", "letta", "livekit", "serve", "worker"])
def test_a_killed_service_is_back_and_status_says_so(stack: Stack, name: str) -> None:
    def service() -> Any:
        return next(service for service in written(stack.home).services if service.name == name)

    before = service()
    os.kill(before.process.pid, signal.SIGKILL)
    wait_until(lambda: service().restarts > before.restarts and service().phase is Phase.READY)
    assert service().process.pid != before.process.pid
    # The others notice the loss and recover by themselves; none is restarted for it.
    wait_until(lambda: stack.command("status").returncode == 0)
    report = json.loads(stack.command("status", "--json").stdout)
    assert next(entry for entry in report["services"] if entry["name"] == name)["restarts"] == before.restarts + 1


def test_a_second_start_is_refused_and_disturbs_nothing(stack: Stack) -> None:
    refused = stack.command("up")
    assert refused.returncode == 1
    assert f"already running or starting in {stack.home} (supervisor pid {written(stack.home).supervisor.pid})" in (
        refused.stderr
    )
    assert stack.command("status").returncode == 0


def test_what_is_given_by_url_is_used_and_not_started(small: dict[str, str]) -> None:
    started = run_command(small, "up")
    assert started.returncode == 0, started.stderr
    report = json.loads(run_command(small, "status", "--json").stdout)
    pids = {service["name"]: service["pid"] for service in report["services"]}
    assert set(pids) == {"models", "letta", "livekit", "serve", "worker"}
    assert pids["letta"] is pids["livekit"] is None
    assert small["LETTA_API_KEY"] not in (Path(small["VOICE_HOME"]) / "stack.env").read_text()


def test_of_two_starts_at_once_one_wins(small: dict[str, str]) -> None:
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "voice_agent.cli", "up"],
            cwd=small["VOICE_HOME"],
            env=small,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=300)[0] for process in both]
    assert sorted(process.returncode for process in both) == [0, 1], "\n---\n".join(said)
    loser = said[[process.returncode for process in both].index(1)]
    assert "already running or starting" in loser
    assert run_command(small, "status").returncode == 0


def test_after_the_supervisor_was_killed_the_next_start_cleans_up_exactly_what_was_ours(
    small: dict[str, str], stack: Stack
) -> None:
    home = Path(small["VOICE_HOME"])
    assert run_command(small, "up").returncode == 0
    old = written(home)
    bystander = subprocess.Popen([sys.executable, "-m", "http.server", "0"], stderr=subprocess.DEVNULL)
    try:
        os.kill(old.supervisor.pid, signal.SIGKILL)
        assert len(marked(old.run)) >= 3
        told = run_command(small, "status")
        assert told.returncode == 1
        assert "the supervisor is gone" in told.stdout
        started = run_command(small, "up")
        assert started.returncode == 0, started.stderr
        assert "left behind by a supervisor that is gone" in started.stdout
        assert marked(old.run) == []
        assert written(home).run != old.run
        assert bystander.poll() is None
        assert stack.command("status").returncode == 0
    finally:
        bystander.terminate()
        bystander.wait()


def test_a_taken_port_is_found_before_anything_is_started(tmp_path: Path) -> None:
    with temporary_home() as home:
        told = environment(home)
        with socket.create_server(("127.0.0.1", int(told["VOICE_LETTA_PORT"]))):
            refused = run_command(told, "up")
        assert refused.returncode == 1
        assert f"Port {told['VOICE_LETTA_PORT']}, which letta needs, is taken by" in refused.stderr
        assert f"(pid {os.getpid()})" in refused.stderr
        assert "VOICE_LETTA_PORT" in refused.stderr
        assert_all_gone(told)


def test_a_server_of_theirs_that_does_not_answer_is_named_and_nothing_stays_up(small: dict[str, str]) -> None:
    small["LIVEKIT_URL"] = "ws://127.0.0.1:9"
    refused = run_command(small, "up")
    assert refused.returncode == 1
    assert "livekit did not get ready" in refused.stderr
    assert "Check ws://127.0.0.1:9" in refused.stderr
    assert_all_gone(small)


LOOPBACK_ONLY = """
import fcntl, os, socket, struct, sys
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh", b"lo", 0x41))
os.execvp(sys.argv[1], sys.argv[1:])
"""


def in_a_world_without_network(told: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["unshare", "--net", "--map-root-user", sys.executable, "-c", LOOPBACK_ONLY, *command]
        if os.geteuid()
        else ["unshare", "--net", sys.executable, "-c", LOOPBACK_ONLY, *command],
        cwd=REPOSITORY,
        env=told,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_offline_after_the_first_run_the_script_starts_everything(stack: Stack) -> None:
    """`stack` came up before, so everything is on this machine. Nobody asks the language model here."""
    if not shutil.which("unshare") and "CI" not in os.environ:
        pytest.skip("`unshare` (util-linux) is missing")
    with temporary_home() as home:
        told = environment(home, VOICE_LLM_BASE_URL="http://127.0.0.1:9/v1", VOICE_LLM_MODEL="nobody")
        script = "scripts/restart_voice_system.sh && scripts/voice-agent status --json; scripts/voice-agent down"
        done = in_a_world_without_network(told, "bash", "-c", script)
        run = [line for line in done.stdout.splitlines() if line.startswith("everything is ready")]
        assert run == [f"everything is ready: http://127.0.0.1:{told['VOICE_PORT']}"], done.stdout + done.stderr
        report = json.loads(done.stdout[done.stdout.index("{") : done.stdout.rindex("}") + 1])
        assert all(service["ready"] for service in report["services"]), report
        assert "stopped" in done.stdout
        assert_all_gone(told)
        assert not [p for p in psutil.process_iter(["cmdline"]) if str(home) in " ".join(p.info["cmdline"] or ())]
