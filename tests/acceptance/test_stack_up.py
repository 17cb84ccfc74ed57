"""Default system after its start."""

from __future__ import annotations

import json
import os
import stat

import httpx
import psutil

from tests.support.closed import open_to_others
from tests.support.stack import Stack
from voice_agent.stack import state
from voice_agent.stack.processes import marked
from voice_agent.stack.samples import SAMPLES

SERVICES = ["postgres", "models", "letta", "livekit", "serve", "worker"]


def test_every_service_is_ready_and_says_what_it_is(stack: Stack) -> None:
    answer = stack.command("status", "--json")
    assert answer.returncode == 0, answer.stdout
    report = json.loads(answer.stdout)
    assert [service["name"] for service in report["services"]] == SERVICES
    for service in report["services"]:
        assert service["ready"], service
        assert service["pid"] > 0
        assert service["port"] > 0
        assert service["version"]
        assert service["ready_after_s"] > 0
    assert httpx.get(report["url"]).status_code == 200


def test_doctor_finds_nothing_wrong(stack: Stack) -> None:
    answer = stack.command("doctor", "--json")
    assert answer.returncode == 0, answer.stdout


def test_nothing_of_ours_can_be_reached_from_elsewhere(stack: Stack) -> None:
    running = state.load(stack.home)
    assert running is not None
    worker = next(service.process for service in running.services if service.name == "worker")
    assert worker is not None
    # In a call a job opens ports for media on every address, as any WebRTC client; they take nothing from strangers.
    jobs = {job.pid for job in psutil.Process(worker.pid).children(recursive=True)}
    ours = {process.pid for process in marked(running.run)} - jobs
    listening = [one for one in psutil.net_connections("tcp") if one.pid in ours and one.status == psutil.CONN_LISTEN]
    assert len(listening) >= len(SERVICES)
    assert {one.laddr.ip for one in listening if one.laddr} == {"127.0.0.1"}, listening


def test_an_empty_letta_of_ours_has_three_different_sample_agents(stack: Stack) -> None:
    agents = {agent["name"]: agent for agent in stack.letta("GET", "/v1/agents/", params={"limit": 1000})}
    names = [sample["name"] for sample in SAMPLES]
    assert set(names) <= set(agents)
    personas = set()
    for name in names:
        blocks = {block["label"]: block["value"] for block in agents[name]["memory"]["blocks"]}
        personas.add(blocks["persona"])
        assert len(blocks) == 3
    assert len(personas) == 3


def test_letta_is_closed_without_its_password(stack: Stack) -> None:
    assert httpx.get(f"{stack.settings.effective_letta_url}/v1/agents/").status_code == 401


def test_no_secret_is_in_a_log_or_on_a_command_line(stack: Stack) -> None:
    settings = stack.settings
    secrets = [settings.letta_api_key, settings.livekit_api_secret, settings.internal_secret]
    assert all(len(secret) > 30 for secret in secrets)
    for log in (stack.home / "logs").iterdir():
        text = log.read_text(errors="replace")
        assert not [secret for secret in secrets if secret in text], log


def test_no_other_user_can_read_what_is_kept(stack: Stack) -> None:
    """Every user may pass through the home as root, whose Postgres is another user; there is nothing to read in it."""
    assert open_to_others(stack.home) == []
    assert stat.S_IMODE(stack.home.stat().st_mode) == (0o711 if os.geteuid() == 0 else 0o700)
    assert {"voice.db", "logs", "run", "postgres", "letta", "stack.env"} <= {path.name for path in stack.home.iterdir()}
