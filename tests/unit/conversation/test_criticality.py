"""Criticality: every task and effect of a job has a rule for its failure."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

from voice_agent import conversation
from voice_agent.contracts import ANSWER_DEADLINE, DEAD_LOOP_AFTER, LEASE_RENEWAL, Weight
from voice_agent.conversation.criticality import RULES, as_ours, rule_of
from voice_agent.conversation.speech_session import _PATIENCE, _TIME_TO_THINK
from voice_agent.errors import Code, Permanent
from voice_agent.lifecycle import effects
from voice_agent.lifecycle.room_health import Limits
from voice_agent.rooms.leases import health_of


def started() -> set[str]:
    """The names that the source starts tasks under."""
    calls = [
        node
        for path in Path(conversation.__path__[0]).glob("*.py")
        if path.name != "worker.py"  # has tasks of a process (observe/process_tasks.py)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "start"
    ]
    first = [call.args[0].value for call in calls if call.args and isinstance(call.args[0], ast.Constant)]
    return {name for name in first if isinstance(name, str)}


def performed() -> set[str]:
    kinds = [kind for _, kind in inspect.getmembers(effects, inspect.isclass) if issubclass(kind, effects.Effect)]
    return {kind.__name__ for kind in kinds if not kind.__subclasses__()}


def test_whatever_is_started_or_performed_has_a_rule_and_nothing_else_has() -> None:
    assert started() | performed() == set(RULES)


def test_a_task_is_told_by_its_name_whoever_owns_it() -> None:
    assert rule_of("turns:turn/4711") is RULES["turn"]
    assert rule_of("job:lease").weight is Weight.ESSENTIAL
    with pytest.raises(KeyError):
        rule_of("job:something new")


def test_what_others_exceptions_say_is_not_repeated() -> None:
    known = as_ours("job:announce", ValueError("key sk-123 is wrong"))
    assert (known.code, known.message) == (Code.AGENT_FAILS, "announce failed (ValueError).")
    ours = Permanent(Code.AGENT_NOT_FOUND, "Gone.", "Choose another.")
    assert as_ours("job:announce", ours) is ours


def test_only_what_another_agent_would_meet_too_is_lasting() -> None:
    lasting = health_of(Permanent(Code.AGENT_NOT_FOUND, "Gone.", "Choose another."))
    assert (lasting.failed, lasting.why, lasting.lasting) == ("agent_not_found", "Gone. Choose another.", True)
    assert not health_of(as_ours("job:announce", ValueError())).lasting


def test_an_agent_is_dead_only_after_every_deadline_of_its_providers() -> None:
    speaking = _PATIENCE.timeout * (_PATIENCE.max_retry + 1)
    assert _TIME_TO_THINK.timeout * (_TIME_TO_THINK.max_retry + 1) == ANSWER_DEADLINE
    assert ANSWER_DEADLINE + speaking + LEASE_RENEWAL < DEAD_LOOP_AFTER == Limits().dead_loop_after
