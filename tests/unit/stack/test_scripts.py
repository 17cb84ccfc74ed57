"""`scripts/voice-agent` in a checkout whose uv notes what it is asked; the hooks do what `test.sh lint` does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
UV = """#!/bin/sh
[ "$1" = --version ] && exit
echo "$*" >>"{asked}"
[ "$1" = sync ] || exit 0
mkdir -p .venv/bin
printf '#!/bin/sh\\necho "$PWD: $*"\\nexit 3\\n' >.venv/bin/voice-agent
chmod +x .venv/bin/voice-agent
"""
"""Its voice-agent says where it runs and with what, and fails in its own way."""


@dataclass
class Checkout:
    folder: Path
    elsewhere: Path
    asked: Path

    def syncs(self) -> int:
        """How often uv was asked to install, since the last look."""
        lines = self.asked.read_text().splitlines() if self.asked.exists() else []
        self.asked.unlink(missing_ok=True)
        return sum(line.startswith("sync ") for line in lines)

    def run(self, *words: str, program: Path | None = None) -> subprocess.CompletedProcess[str]:
        path = f"{self.folder.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            [program or self.folder / "scripts" / "voice-agent", *words],
            cwd=self.elsewhere,
            env={"PATH": path, "HOME": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )

    def grows_older(self) -> None:
        """Everything that is there was written an hour ago."""
        for path in (self.folder, *self.folder.rglob("*")):
            stamp = path.stat().st_mtime - 3600
            os.utime(path, (stamp, stamp))


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path / "checkout", tmp_path / "elsewhere", tmp_path / "asked")
    shutil.copytree(REPOSITORY / "scripts", made.folder / "scripts")
    for name in ("pyproject.toml", "uv.lock"):
        (made.folder / name).touch()
    made.grows_older()
    made.elsewhere.mkdir()
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text(UV.format(asked=made.asked))
    uv.chmod(0o755)
    return made


def test_it_installs_once_and_then_only_passes_on(checkout: Checkout) -> None:
    for syncs in (1, 0, 0):
        done = checkout.run("memory", "show", "Two words")
        assert (done.stdout, done.returncode) == (f"{checkout.folder}: memory show Two words\n", 3), done.stderr
        assert checkout.syncs() == syncs


@pytest.mark.parametrize("changed", ["pyproject.toml", "uv.lock"])
def test_it_installs_again_when_what_is_needed_changed(checkout: Checkout, changed: str) -> None:
    checkout.run("status")
    checkout.grows_older()
    (checkout.folder / changed).touch()
    checkout.syncs()
    for syncs in (1, 0):
        assert checkout.run("status").returncode == 3
        assert checkout.syncs() == syncs


def test_files_are_those_of_the_folder_in_which_it_was_typed(checkout: Checkout) -> None:
    for words in (("replay", "log.jsonl"), ("logs", "--file", "log.jsonl"), ("logs", "--file=log.jsonl")):
        assert checkout.run(*words).stdout == f"{checkout.elsewhere}: {' '.join(words)}\n"


def test_a_link_to_it_works(checkout: Checkout) -> None:
    link = checkout.elsewhere / "voice-agent"
    link.symlink_to(checkout.folder / "scripts" / "voice-agent")
    assert checkout.run("status", program=link).stdout == f"{checkout.folder}: status\n"


def test_the_restart_says_how_to_go_on(checkout: Checkout) -> None:
    done = checkout.run(program=checkout.folder / "scripts" / "restart_voice_system.sh")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"its commands: {checkout.folder}/scripts/voice-agent --help"
    assert checkout.run("status").returncode == 3
    assert checkout.syncs() == 1


def test_the_hooks_are_the_checks_of_lint() -> None:
    lint = (REPOSITORY / "scripts" / "test.sh").read_text().split("lint() {")[1].split("}")[0]
    hooks = (REPOSITORY / ".pre-commit-config.yaml").read_text()
    checks = re.findall(r"uv run --no-sync (.+?)(?: \.)?$", lint, re.MULTILINE)
    assert len(checks) == 4
    assert re.findall(r"uv run --no-sync (.+?)(?: --force-exclude \"\$@\")?' ?", hooks) == checks
