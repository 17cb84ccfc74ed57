"""Transition table as a whole: nothing unreachable, nothing forgotten; events survive serialisation."""

from __future__ import annotations

import dataclasses
import json

import pytest

from voice_agent.lifecycle import codec, reactions, state_data
from voice_agent.lifecycle import events as ev
from voice_agent.lifecycle.states import Human, State, Timer
from voice_agent.lifecycle.table import TRANSITIONS, Trigger


def test_every_state_has_a_row_and_can_be_reached() -> None:
    assert set(TRANSITIONS) == set(State)
    reached, fresh = set(), {State.STARTING}
    while fresh:
        reached |= fresh
        fresh = {target for state in fresh for target in TRANSITIONS[state].values()} - reached
    assert reached == set(State)


def test_every_state_but_closed_can_end() -> None:
    for state in set(State) - {State.CLOSED}:
        assert TRANSITIONS[state][Trigger.ROOM_DISCONNECTED] is State.CLOSED
    assert set(TRANSITIONS[State.CLOSED].values()) == {State.CLOSED}


def test_every_trigger_has_a_cell_but_the_impossible_one() -> None:
    used = {trigger for row in TRANSITIONS.values() for trigger in row}
    assert set(Trigger) - used == {Trigger.CONTRADICTION}
    assert set(reactions.BY_TRIGGER) <= used


def test_every_event_and_timer_means_something() -> None:
    assert set(codec.EVENTS.values()) == set(state_data._NOTES)
    assert state_data._OVERDUE.keys() | state_data._DUE.keys() == set(Timer)


SAMPLES = {
    "int": 3,
    "str": "x",
    "bool": True,
    "str | None": "PA_1",
    "Human": Human("PA_1", "ann", call="c1"),
    "tuple[Human, ...]": (Human("PA_1", "ann"), Human("PA_2", "bob", "sip")),
    "frozenset[str]": frozenset({"b", "a"}),
    "Timer": Timer.QUIET,
}


@pytest.mark.parametrize("kind", codec.EVENTS.values(), ids=codec.EVENTS.keys())
def test_events_survive_being_written_down(kind: type[ev.Event]) -> None:
    event = kind(**{item.name: SAMPLES[str(item.type)] for item in dataclasses.fields(kind)})
    assert codec.load(json.loads(json.dumps(codec.dump(event)))) == event


def test_a_log_from_before_calls_were_told_apart_is_read() -> None:
    line = {"name": "HumanJoined", "human": {"sid": "PA_1", "identity": "ann", "kind": "standard"}}
    assert codec.load(line) == ev.HumanJoined(Human("PA_1", "ann"))


def test_names_of_people_are_not_written_down() -> None:
    assert "Ann" not in json.dumps(codec.dump(ev.HumanJoined(Human("PA_1", "u1", "standard", "Ann"))))


@pytest.mark.parametrize("data", [{}, {"name": "Nonsense"}, {"name": "HumanJoined"}, {"name": "LeaseLost", "x": 1}])
def test_what_is_no_event_is_refused(data: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError)):
        codec.load(data)
