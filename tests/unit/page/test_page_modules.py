"""The page's pure modules under node's own test runner, and its words against ours."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from voice_agent.contracts import AgentAttribute, Topic

HERE = Path(__file__).parent
SELECTOR = HERE.parents[2] / "static" / "selector"


def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed")
    return found


def test_pure_modules() -> None:
    files = [str(path) for path in sorted(HERE.glob("*.test.mjs"))]
    run = subprocess.run([node(), "--test", *files], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_page_speaks_the_same_words() -> None:
    script = "import(process.argv[1]).then((m) => console.log(JSON.stringify([m.ATTRIBUTE, m.TOPIC])))"
    command = [node(), "-e", script, (SELECTOR / "contracts.js").as_uri()]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    attributes, topics = json.loads(run.stdout)
    assert attributes == {one.name: one.value for one in AgentAttribute}
    assert topics == {one.name: one.value for one in Topic}


def test_nothing_comes_from_elsewhere_and_nothing_is_inline() -> None:
    page = (SELECTOR.parent / "voice-agent-selector.html").read_text()
    assert not re.search(r"\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", page)
    for path in [SELECTOR.parent / "voice-agent-selector.html", *SELECTOR.glob("*.*")]:
        urls = set(re.findall(r"https?://[^\s\"'`]+", path.read_text())) - {"http://www.w3.org/2000/svg"}
        assert not urls, f"{path.name}: {urls}"


def test_modules_stay_small() -> None:
    sizes = {path.name: len(path.read_text().splitlines()) for path in SELECTOR.glob("*.js")}
    assert {name: size for name, size in sizes.items() if size > 300} == {}
