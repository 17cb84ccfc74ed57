"""Mutants of the machine: each rule is broken once, and a random walk under the laws must notice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import core
from tests.support.machine_world import LawBrokenError, walks

MUTANTS = {
    # name: (module, original, replacement, the law that notices)
    "late results are applied": (
        "machine",
        "if event.episode < data.episode:",
        "if event.episode < -1:",
        "late results are dropped",
    ),
    "the last human leaving does not reset": (
        "table",
        "_T.LAST_HUMAN_LEFT: _S.RESETTING,",
        "_T.LAST_HUMAN_LEFT: _S.READY,",
        "the last human left: reset",
    ),
    "others replacing all humans are not noticed": (
        "table",
        "_T.HUMANS_REPLACED: _S.RESETTING,",
        "_T.HUMANS_REPLACED: _S.ENGAGED,",
        "whoever is here is heard",
    ),
    "history is cleared before the tasks ended": (
        "reactions",
        "data.awaiting = frozenset({Ack.SPEECH_STOPPED, Ack.TASKS_ENDED})",
        "data.awaiting = frozenset({Ack.SPEECH_STOPPED})",
        "history is cleared after the tasks ended",
    ),
    "the episode is not raised": (
        "reactions",
        "data.episode += 1",
        "data.episode += 0",
        "a reset begins a new episode",
    ),
    "the history is not cleared": (
        "reactions",
        "step.data.awaiting = frozenset({Ack.HISTORY_CLEARED})",
        "step.begin_episode()",
        "no history outlives its episode",
    ),
    "the memory is not loaded again": (
        "reactions",
        """            self.out.append(ef.RebindAgent(data.episode, data.agent_id))
        self.load()""",
        """            self.out.append(ef.RebindAgent(data.episode, data.agent_id))
        data.loading = True""",
        "a new episode loads its memory",
    ),
    "a human who comes during a reset is forgotten": (
        "state_data",
        "return Trigger.PREPARED_OCCUPIED if data.humans else Trigger.PREPARED_EMPTY",
        "return Trigger.PREPARED_EMPTY",
        "ready means nobody is here",
    ),
    "everybody who joins is greeted": (
        "state_data",
        "        return Trigger.HUMANS_CHANGED",
        "        data.greeting = Greeting.DUE\n        return Trigger.HUMANS_CHANGED",
        "one greeting per arrival into an empty room|a greeting that is due comes",
    ),
    "greeted again after a manual reset": (
        "reactions",
        "if data.greeting is Greeting.SPEAKING:\n            data.greeting = Greeting.DONE",
        "if data.greeting is Greeting.SPEAKING:\n            data.greeting = Greeting.DUE",
        "one greeting per arrival into an empty room",
    ),
    "a replacement job greets again": (
        "state_data",
        "data.greeting = Greeting.DONE if greeted else Greeting.DUE",
        "data.greeting = Greeting.DUE",
        "one greeting per arrival into an empty room",
    ),
    "who was lost is greeted again": (
        "reactions",
        "if goes_on(data.lost, data.humans, self.now, self.timing.lost_for):",
        "if False:",
        "who was lost is not greeted again",
    ),
    "who said goodbye goes on": (
        "absence",
        "return event.reason in _BROKEN",
        "return True",
        "only who was lost goes on",
    ),
    "who said goodbye goes on with another call": (
        "absence",
        'return absence is not None and absence.call in ("", human.call)',
        "return absence is not None",
        "only who was lost goes on",
    ),
    "who connects anew is greeted again": (
        "absence",
        "return isinstance(event, ev.HumanLeft) and event.reason == _GOODBYE",
        "return False",
        "who was lost is not greeted again",
    ),
    "who was removed goes on": (
        "absence",
        "return isinstance(event, ev.HumanLeft) and event.reason == _GOODBYE",
        "return isinstance(event, ev.HumanLeft)",
        "only who was lost goes on",
    ),
    "who was not greeted yet goes on": (
        "absence",
        "    if heard_out:\n        new",
        "    if True:\n        new",
        "only who was lost goes on",
    ),
    "somebody else goes on": (
        "absence",
        "return bool(present) and all(",
        "return bool(present) and any(",
        "only who was lost goes on",
    ),
    "who was lost for long goes on": (
        "absence",
        "now - absence.since <= within",
        "absence.since <= within",
        "only who was lost goes on|who was lost is not greeted again",
    ),
    "a reset that was wished for is no new conversation": (
        "reactions",
        """        if trigger in _CUTS:
            data.lost = {}
            return
""",
        "",
        "only who was lost goes on",
    ),
    "the greeting does not wait for a human": (
        "reactions",
        "if data.greeting is Greeting.DUE and data.serving and data.listening:",
        "if data.greeting is Greeting.DUE and data.listening:",
        "greet only in conversation",
    ),
    "the departure timer is not cancelled": (
        "reactions",
        "        self.cancel(Timer.DEPARTURE)\n",
        "",
        "an occupied room does not time out",
    ),
    "the departure timer is not started": (
        "reactions",
        "self.start(Timer.DEPARTURE, self.timing.departure)",
        "pass",
        "an empty room times out",
    ),
    "a cancelled departure still counts": (
        "machine",
        "running = data.timers.get(event.timer) == event.serial",
        "running = True",
        "illegal changes nothing|an occupied room is not left|timers are what was asked for",
    ),
    "a departure with humans is allowed": (
        "table",
        "_T.DEPARTURE_DUE: _S.DRAINING,",
        "_T.DEPARTURE_DUE: _S.READY,",
        "leaving is done|an empty room times out|nothing ticks",
    ),
    "the reset has no deadline": (
        "reactions",
        "self.start(Timer.RESET_DEADLINE, self.timing.reset_deadline)",
        "pass",
        "a reset ends",
    ),
    "the start has no deadline": (
        "reactions",
        "step.start(Timer.START_DEADLINE, step.timing.start_deadline)",
        "pass",
        "a start ends",
    ),
    "a drained visit has no bound": (
        "reactions",
        "step.start(Timer.DRAIN_LIMIT, step.timing.drain_limit)",
        "pass",
        "a drain ends",
    ),
    "a stale memory is not tried again": (
        "reactions",
        "self.start(Timer.MEMORY_RETRY, self.timing.retry_after(self.data.load_failures))",
        "pass",
        "a stale memory is tried again",
    ),
    "a reset is not answered": (
        "reactions",
        "            self.acknowledge_reset(ResetOutcome(data.memory))",
        "            data.reset_since = None",
        "a reset is answered",
    ),
    "a reset is not answered on the way out": (
        "reactions",
        "            self.acknowledge_reset(ResetOutcome.CLOSING)\n        if not",
        "            data.reset_since = None\n        if not",
        "a reset is answered",
    ),
    "whoever joins next is not heard": (
        "reactions",
        "        self.link(self.data.humans[0])\n",
        "",
        "whoever is here is heard",
    ),
    "the one who left is still linked": (
        "reactions",
        "    if data.linked in {human.sid for human in data.humans}:\n        return\n",
        "    return\n",
        "whoever is here is heard",
    ),
    "no quiet moment after a turn": (
        "reactions",
        "    if step.data.state is State.ENGAGED and not step.data.turns:\n        step.start(",
        "    if step.data.state is State.READY and not step.data.turns:\n        step.start(",
        "a quiet moment comes",
    ),
    "the room is left twice": (
        "reactions",
        "        if not data.leaving:\n            data.leaving = reason",
        "        if True:\n            data.leaving = reason",
        "the room is left once",
    ),
    "an idle agent ignores the end of its drain": (
        "reactions",
        '        step.leave("drained")\n\n\ndef _speaker',
        "        return\n\n\ndef _speaker",
        "a greeting that is due comes|whoever is here is greeted",
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_rule_is_noticed(name: str, tmp_path: Path) -> None:
    module, original, replacement, laws = MUTANTS[name]
    mutated = core.mutant(tmp_path, f"machine_mutant_{list(MUTANTS).index(name)}", module, original, replacement)
    with mutated as broken, pytest.raises(LawBrokenError) as caught:
        walks(broken, range(160), 400)
    assert any(caught.value.law.startswith(law) for law in laws.split("|")), caught.value
