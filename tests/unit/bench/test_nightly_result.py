"""Result file of the nightly run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.nightly.conftest import Outcomes, this_run

Phase = Literal["setup", "call", "teardown"]
Outcome = Literal["passed", "failed", "skipped"]


def report(test: str, when: Phase, outcome: Outcome = "passed", **figures: Any) -> pytest.TestReport:
    place = ("x.py", 1, test)
    return pytest.TestReport(
        f"tests/nightly/{test}", place, {}, outcome, None, when, duration=1.5, user_properties=tuple(figures.items())
    )


def run(path: Path, commit: str, *reports: pytest.TestReport) -> dict[str, Any]:
    outcomes = Outcomes(path, {"commit": commit})
    for one in reports:
        outcomes.pytest_runtest_logreport(one)
    return dict(json.loads(path.read_text()))


def test_each_test_has_its_worst_outcome_and_the_time_of_all_its_phases(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").touch()
    path, good, bad, left_out = tmp_path / "last-result.json", "test_one.py::good", "test_one.py::bad", "test_one.py::x"
    found = run(
        path,
        "abc",
        *(report(good, "setup"), report(good, "call"), report(good, "teardown", figures={"right": 9})),
        *(report(bad, "setup"), report(bad, "call", "failed"), report(bad, "teardown")),
        *(report(left_out, "setup", "skipped"), report(left_out, "teardown")),
    )
    assert found == {
        "test_one.py": {
            "commit": "abc",
            "tests": {
                "good": {"outcome": "passed", "seconds": 4.5, "figures": {"right": 9}},
                "bad": {"outcome": "failed", "seconds": 4.5},
                "x": {"outcome": "skipped", "seconds": 3.0},
            },
        }
    }


def test_a_module_that_is_not_run_keeps_its_result_and_one_that_is_gone_has_none(tmp_path: Path) -> None:
    path = tmp_path / "last-result.json"
    for name in ("test_one.py", "test_two.py"):
        (tmp_path / name).touch()
        run(path, "first", report(f"{name}::it", "teardown"))
    found = run(path, "second", report("test_two.py::it", "teardown"))
    assert {name: part["commit"] for name, part in found.items()} == {"test_one.py": "first", "test_two.py": "second"}
    (tmp_path / "test_one.py").unlink()
    assert run(path, "third", report("test_two.py::it", "teardown")).keys() == {"test_two.py"}


def test_a_run_says_when_of_what_and_on_which_machine_it_was() -> None:
    about = this_run()
    assert about["date"].endswith("+00:00")
    assert about["machine"]["cores"] > 0
    assert about["machine"]["memory_gb"] > 0
