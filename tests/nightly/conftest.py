"""Recorder of the nightly run into last-result.json: for each module its tests, the commit, the date, the machine.

Written after each test, so that an interrupted run leaves its results. A module that is not run keeps its last result.
"""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psutil
import pytest

from tests.support.report import machine
from tests.support.stack import REPOSITORY

RESULT: Final = Path(__file__).with_name("last-result.json")
GIGABYTE: Final = 1e9


class Outcomes:
    def __init__(self, path: Path, run: dict[str, Any]) -> None:
        self._path = path
        self._run = run
        self._modules: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Of one phase of a test: its worst outcome is the test's."""
        module, _, name = report.nodeid.partition("::")
        test = self._modules[Path(module).name].setdefault(name, {"outcome": "passed", "seconds": 0.0})
        if report.outcome != "passed" and test["outcome"] != "failed":
            test["outcome"] = report.outcome
        test["seconds"] = round(test["seconds"] + report.duration, 1)
        if report.when == "teardown":
            test.update(report.user_properties)
            self._write()

    def _write(self) -> None:
        known = json.loads(self._path.read_text()) if self._path.exists() else {}
        here = {path.name for path in self._path.parent.glob("test_*.py")}
        now = {name: self._run | {"tests": tests} for name, tests in self._modules.items()}
        kept = {name: found for name, found in (known | now).items() if name in here}
        self._path.write_text(json.dumps(kept, indent=2, ensure_ascii=False, sort_keys=True) + "\n")


def this_run() -> dict[str, Any]:
    memory = round(psutil.virtual_memory().total / GIGABYTE, 1)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": {"cores": machine()["cores"], "memory_gb": memory},
    }


def commit() -> str | None:
    """With a + where the files are not those of the commit; None outside of a repository."""
    try:
        found = _git("rev-parse", "--short=12", "HEAD").stdout.strip()
        changed = _git("status", "--porcelain", "--", ".", f":!{RESULT.relative_to(REPOSITORY)}").stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{found}+" if changed else found


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Outcomes(RESULT, this_run()))
