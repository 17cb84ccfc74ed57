"""Lifecycle of one assistant, scene by scene."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from voice_agent.lifecycle import effects as ef
from voice_agent.lifecycle import events as ev
from voice_agent.lifecycle.machine import IllegalTransition, Machine
from voice_agent.lifecycle.states import Greeting, Human, Memory, ResetOutcome, State, Timer
from voice_agent.lifecycle.timing import Timing

ANN, BOB = Human("PA_ann", "ann"), Human("PA_bob", "bob")


class Life:
    """A machine and the time of day."""

    def __init__(self, timing: Timing | None = None) -> None:
        self.machine = Machine(timing)
        self.now = 0.0
        self.fuses: dict[Timer, ef.StartTimer] = {}

    def tell(self, *events: ev.Event) -> list[ef.Effect]:
        out: list[ef.Effect] = []
        for event in events:
            self.now += 0.1
            out += self.machine.handle(event, self.now)
        self.fuses.update({effect.timer: effect for effect in out if isinstance(effect, ef.StartTimer)})
        return out

    def fire(self, timer: Timer) -> list[ef.Effect]:
        return self.tell(self.fuses[timer].fired())

    @property
    def episode(self) -> int:
        return self.machine.episode

    def torn_down(self) -> list[ef.Effect]:
        return self.tell(ev.SpeechStopped(self.episode), ev.TasksEnded(self.episode), ev.HistoryCleared(self.episode))

    def renewed(self) -> list[ef.Effect]:
        return self.torn_down() + self.tell(ev.MemoryLoaded(self.episode))


def started(*humans: Human, timing: Timing | None = None, last_episode: int = 0) -> Life:
    life = Life(timing)
    life.tell(ev.JobStarted(last_episode, "a1", 7), ev.RoomConnected(humans), ev.AudioPublished())
    return life


def ready(timing: Timing | None = None) -> Life:
    life = started(timing=timing)
    life.tell(ev.MemoryLoaded(1))
    return life


def engaged(*humans: Human) -> Life:
    life = started(*(humans or (ANN,)))
    life.tell(ev.MemoryLoaded(1), ev.ListenerSubscribed(), ev.GreetingFinished(1))
    return life


def names(effects: list[ef.Effect]) -> list[str]:
    return [type(effect).__name__ for effect in effects]


def of(kind: type[Any], effects: list[ef.Effect]) -> Any:
    (found,) = (effect for effect in effects if isinstance(effect, kind))
    return found


# --- coming up ---


def test_ready_needs_connection_track_and_memory_in_any_order() -> None:
    data = [ev.RoomConnected(), ev.AudioPublished(), ev.MemoryLoaded(4)]
    for order in ([0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]):
        life = Life()
        life.tell(ev.JobStarted(3, "a1"))
        for position, which in enumerate(order):
            assert not life.machine.ready
            effects = life.tell(data[which])
            assert (life.machine.state is State.READY) == (position == 2)
        announced = of(ef.AnnounceState, effects)
        assert (announced.ready, announced.episode, announced.memory) == (True, 4, Memory.FRESH)


def test_a_new_job_continues_the_count_of_episodes() -> None:
    assert started(last_episode=41).episode == 42


def test_humans_who_were_there_before_us_are_served() -> None:
    life = started(ANN)
    effects = life.tell(ev.MemoryLoaded(1))
    assert life.machine.state is State.ENGAGED
    assert of(ef.LinkTo, effects).human == ANN
    assert "Greet" not in names(effects)
    assert of(ef.Greet, life.tell(ev.ListenerSubscribed("PA_ann"))).human == ANN


def test_a_replacement_job_does_not_greet_again() -> None:
    life = Life()
    life.tell(ev.JobStarted(1, "a1", 2, frozenset({"PA_ann"})), ev.RoomConnected((ANN,)), ev.AudioPublished())
    assert "Greet" not in names(life.tell(ev.MemoryLoaded(2), ev.ListenerSubscribed("PA_ann")))
    assert life.machine.greeting is Greeting.DONE


@pytest.mark.parametrize(("has_snapshot", "memory"), [(True, Memory.STALE), (False, Memory.ABSENT)])
def test_without_letta_it_goes_on_and_tries_again(has_snapshot: bool, memory: Memory) -> None:
    life = started()
    life.tell(ev.MemoryLoadFailed(1, "letta_unavailable", has_snapshot))
    assert (life.machine.state, life.machine.memory) == (State.READY, memory)
    waits = []
    for _ in range(6):
        waits.append(life.fuses[Timer.MEMORY_RETRY].seconds)
        assert names(life.fire(Timer.MEMORY_RETRY)) == ["LoadMemory"]
        life.tell(ev.MemoryLoadFailed(1, "letta_unavailable", has_snapshot))
    assert waits == [5, 10, 20, 40, 60, 60]
    life.fire(Timer.MEMORY_RETRY)
    effects = life.tell(ev.MemoryLoaded(1))
    assert of(ef.AnnounceState, effects).memory is Memory.FRESH
    assert Timer.MEMORY_RETRY not in life.machine.data.timers


def test_a_retry_while_a_load_is_under_way_starts_no_second() -> None:
    life = engaged()
    life.tell(ev.HumanLeft("PA_ann"))
    life.torn_down()
    life.fire(Timer.RESET_DEADLINE)
    assert life.fire(Timer.MEMORY_RETRY) == []


def test_a_start_without_memory_ends_stale_and_one_without_a_track_fails() -> None:
    life = started(ANN)
    life.fire(Timer.START_DEADLINE)
    assert (life.machine.state, life.machine.memory) == (State.ENGAGED, Memory.ABSENT)
    mute = Life()
    mute.tell(ev.JobStarted(0, "a1"), ev.RoomConnected())
    assert of(ef.LeaveRoom, mute.fire(Timer.START_DEADLINE)).reason == "failed: start_overdue"
    assert mute.machine.state is State.FAILED
    assert mute.machine.error


# --- arriving ---


def test_one_greeting_per_arrival_into_an_empty_room() -> None:
    life = ready()
    life.tell(ev.HumanJoined(ANN))
    assert names(life.tell(ev.ListenerSubscribed("PA_ann"))) == ["CancelTimer", "Greet"]
    assert names(life.tell(ev.HumanJoined(BOB), ev.ListenerSubscribed("PA_bob"))) == ["AcknowledgeArrival"]
    life.tell(ev.HumanLeft("PA_ann"), ev.HumanJoined(Human("PA_ann2", "ann")), ev.ListenerSubscribed())
    assert life.machine.greeting is Greeting.SPEAKING
    life.tell(ev.GreetingFailed(1, "tts_failed"))
    machine = life.machine
    assert machine.greeting is Greeting.DONE


def test_a_listener_nobody_reported_is_greeted_after_a_while() -> None:
    life = ready()
    life.tell(ev.HumanJoined(ANN))
    assert of(ef.Greet, life.fire(Timer.GREETING)).human == ANN


def test_joining_and_leaving_twice_is_once() -> None:
    life = engaged(ANN, BOB)
    assert life.tell(ev.HumanJoined(ANN)) == []
    life.tell(ev.HumanLeft("PA_ann"))
    assert life.tell(ev.HumanLeft("PA_ann")) == []
    assert life.machine.humans == (BOB,)


def test_whoever_is_here_is_heard() -> None:
    life = engaged(ANN, BOB)
    assert life.machine.linked == "PA_ann"
    assert of(ef.LinkTo, life.tell(ev.SpeakerChanged("PA_bob"))).human == BOB
    assert life.tell(ev.SpeakerChanged("PA_bob"), ev.SpeakerChanged("PA_unknown")) == []
    assert of(ef.LinkTo, life.tell(ev.HumanLeft("PA_bob"))).human == ANN


def test_the_same_person_on_a_new_connection_stays_linked_and_is_no_arrival() -> None:
    life = engaged(BOB, ANN)
    life.tell(ev.SpeakerChanged("PA_ann"))
    again = Human("PA_ann2", "ann")
    effects = life.tell(ev.HumansScanned((BOB, again)))
    assert names(effects) == ["LinkTo"]
    assert of(ef.LinkTo, effects).human == again


def test_our_own_reconnection_scans_and_links_again() -> None:
    life = engaged()
    assert names(life.tell(ev.RoomReconnected(full=True))) == ["Rescan"]
    assert names(life.tell(ev.HumansScanned((ANN,)))) == ["LinkTo"]
    assert names(life.tell(ev.HumansScanned(())))[-1] == "AnnounceState"
    assert life.machine.state is State.RESETTING


def test_somebody_else_instead_of_everybody_is_a_new_visit() -> None:
    life = engaged()
    life.tell(ev.HumansScanned((BOB,)))
    assert life.machine.state is State.RESETTING
    life.renewed()
    assert of(ef.Greet, life.tell(ev.ListenerSubscribed("PA_bob"))).human == BOB


# --- talking ---


def test_a_quiet_moment_comes_once_after_the_last_turn() -> None:
    life = engaged()
    assert names(life.tell(ev.TurnStarted(1, "t1"))) == ["CancelTimer"]
    assert life.tell(ev.TurnStarted(1, "t2"), ev.TurnFinished(1, "t1")) == []
    assert names(life.tell(ev.TurnFinished(1, "t2"))) == ["StartTimer"]
    assert names(life.fire(Timer.QUIET)) == ["AllowReflection"]
    assert Timer.QUIET not in life.machine.data.timers


def test_memory_that_changed_is_loaded_again_when_nobody_is_here() -> None:
    life = ready()
    assert names(life.tell(ev.SyncFinished())) == ["LoadMemory"]
    assert life.tell(ev.SyncFinished()) == []
    assert names(life.tell(ev.MemoryLoaded(1))) == ["LoadMemory"]
    assert life.tell(ev.MemoryLoaded(1), ev.SyncFinished(changed=False)) == []
    talking = engaged()
    assert talking.tell(ev.SyncFinished()) == []


# --- leaving and coming back ---


def test_the_reset_step_by_step() -> None:
    life = engaged()
    life.tell(ev.TurnStarted(1, "t1"))
    first = life.tell(ev.HumanLeft("PA_ann"))
    assert names(first) == ["StopSpeech", "CancelEpisodeTasks", "StartTimer", "AnnounceState"]
    assert life.tell(ev.TurnFinished(1, "t1"), ev.TasksEnded(1)) == []
    assert names(life.tell(ev.SpeechStopped(1))) == ["ClearHistory"]
    assert life.episode == 1
    effects = life.tell(ev.HistoryCleared(1))
    assert names(effects) == ["LoadMemory", "AnnounceState"]
    assert {effect.episode for effect in effects} == {2}
    effects = life.tell(ev.MemoryLoaded(2))
    assert of(ef.AcknowledgeReset, effects).outcome is ResetOutcome.FRESH
    assert of(ef.StartTimer, effects).timer is Timer.DEPARTURE
    assert (life.machine.state, life.machine.turns) == (State.READY, frozenset())


def test_a_hundred_visits() -> None:
    life = ready()
    greeted = 0
    for visit in range(100):
        human = Human(f"PA_{visit}", "ann")
        greeted += names(life.tell(ev.HumanJoined(human), ev.ListenerSubscribed(human.sid))).count("Greet")
        life.tell(ev.GreetingFinished(life.episode), ev.HumanLeft(human.sid))
        life.renewed()
    assert (greeted, life.episode, life.machine.state) == (100, 101, State.READY)
    assert set(life.machine.data.timers) == {Timer.DEPARTURE}


def test_whoever_arrives_in_the_middle_of_a_reset_is_served_after_it() -> None:
    for step in range(4):
        life = engaged()
        life.tell(ev.HumanLeft("PA_ann"))
        acks = [ev.SpeechStopped(1), ev.TasksEnded(1), ev.HistoryCleared(1), ev.MemoryLoaded(2)]
        life.tell(*acks[:step])
        assert "Greet" not in names(life.tell(ev.HumanJoined(BOB), ev.ListenerSubscribed("PA_bob")))
        effects = life.tell(*acks[step:])
        assert life.machine.state is State.ENGAGED
        assert (of(ef.LinkTo, effects).human, of(ef.Greet, effects).human) == (BOB, BOB)


def test_a_second_reset_joins_the_first() -> None:
    life = engaged()
    life.tell(ev.ResetRequested())
    assert life.tell(ev.ResetRequested("rpc"), ev.HumanLeft("PA_ann")) == []
    assert names(life.renewed()).count("AcknowledgeReset") == 1
    assert life.episode == 2


def test_a_manual_reset_in_mid_visit_does_not_greet_again() -> None:
    life = started(ANN)
    life.tell(ev.MemoryLoaded(1), ev.ListenerSubscribed("PA_ann"), ev.ResetRequested(), ev.GreetingFinished(1))
    effects = life.renewed()
    assert "LinkTo" in names(effects)
    assert "Greet" not in names(effects)
    assert life.machine.state is State.ENGAGED


def test_there_is_nothing_to_reset_before_the_first_conversation() -> None:
    life = Life()
    life.tell(ev.JobStarted(0, "a1"))
    assert of(ef.AcknowledgeReset, life.tell(ev.ResetRequested())).outcome is ResetOutcome.NOT_NEEDED


def test_a_memory_that_does_not_come_in_time_leaves_a_stale_one() -> None:
    life = engaged()
    life.tell(ev.HumanLeft("PA_ann"))
    life.torn_down()
    effects = life.fire(Timer.RESET_DEADLINE)
    assert of(ef.AcknowledgeReset, effects).outcome is ResetOutcome.STALE
    assert life.machine.state is State.READY
    assert of(ef.AnnounceState, life.tell(ev.MemoryLoaded(2))).memory is Memory.FRESH


def test_tasks_that_refuse_to_end_get_a_grace_and_then_the_job_is_given_up() -> None:
    life = engaged()
    life.tell(ev.HumanLeft("PA_ann"), ev.SpeechStopped(1))
    assert names(life.fire(Timer.RESET_DEADLINE)) == ["StartTimer"]
    late = engaged()
    late.tell(ev.HumanLeft("PA_ann"), ev.SpeechStopped(1))
    late.fire(Timer.RESET_DEADLINE)
    late.tell(ev.TasksEnded(1), ev.HistoryCleared(1))
    assert of(ef.AcknowledgeReset, late.fire(Timer.TEARDOWN_GRACE)).outcome is ResetOutcome.STALE
    effects = life.fire(Timer.TEARDOWN_GRACE)
    assert life.machine.state is State.FAILED
    assert of(ef.AcknowledgeReset, effects).outcome is ResetOutcome.CLOSING
    assert of(ef.LeaveRoom, effects).reason == "failed: teardown_stuck"


def test_what_an_older_episode_still_says_changes_nothing() -> None:
    life = engaged()
    life.tell(ev.HumanLeft("PA_ann"))
    life.renewed()
    before = life.machine.data
    for event in (ev.MemoryLoaded(1), ev.TurnStarted(1, "t9"), ev.GreetingFinished(1), ev.TasksEnded(1)):
        (dropped,) = life.tell(event)
        assert dropped == ef.Dropped(2, type(event).__name__, 1, "older episode")
    assert life.machine.data == before


def test_a_timer_that_was_cancelled_changes_nothing() -> None:
    life = ready()
    life.tell(ev.HumanJoined(ANN))
    assert of(ef.Dropped, life.fire(Timer.DEPARTURE)).reason == "timer was cancelled"
    assert life.machine.state is State.ENGAGED


# --- another agent ---


def test_another_agent_answers_after_everything_of_the_last_is_gone() -> None:
    life = engaged()
    life.tell(ev.SwitchAgentRequested("a2"))
    assert life.machine.agent_id == "a1"
    effects = life.torn_down()
    assert names(effects)[-3:] == ["RebindAgent", "LoadMemory", "AnnounceState"]
    assert of(ef.LoadMemory, effects).agent_id == "a2"
    effects = life.fire(Timer.RESET_DEADLINE)
    assert life.machine.memory is Memory.ABSENT, "the snapshot in hand is the other agent's"
    assert of(ef.AnnounceState, effects).agent_id == "a2"


def test_a_switch_waits_until_it_is_safe() -> None:
    life = started(ANN)
    life.tell(ev.SwitchAgentRequested("a2"), ev.MemoryLoaded(1))
    assert life.machine.state is State.RESETTING
    life.torn_down()
    life.tell(ev.SwitchAgentRequested("a3"), ev.MemoryLoaded(2))
    assert life.machine.state is State.RESETTING
    effects = life.renewed()
    assert (life.machine.agent_id, life.machine.state) == ("a3", State.ENGAGED)
    assert of(ef.AcknowledgeReset, effects).outcome is ResetOutcome.FRESH
    assert names(life.tell(ev.ListenerSubscribed())) == ["CancelTimer", "Greet"]


# --- the end ---


def test_nobody_came_back() -> None:
    life = ready()
    assert of(ef.LeaveRoom, life.fire(Timer.DEPARTURE)).reason == "idle"
    assert life.machine.state is State.DRAINING
    life.tell(ev.RoomDisconnected("idle"))
    machine = life.machine
    assert machine.state is State.CLOSED


def test_a_resident_never_leaves_by_itself() -> None:
    assert ready(Timing(departure=None)).machine.data.timers == {}


@pytest.mark.parametrize("begin", [ready, started, Life])
def test_a_drained_worker_leaves_an_empty_room_at_once(begin: Any) -> None:
    life = begin()
    assert of(ef.LeaveRoom, life.tell(ev.DrainRequested())).reason == "drained"
    assert life.tell(ev.DrainRequested(), ev.RoomReconnected()) == []


def test_a_drained_worker_finishes_the_visit() -> None:
    life = engaged()
    assert names(life.tell(ev.DrainRequested())) == ["StartTimer", "AnnounceState"]
    assert life.machine.ready
    life.tell(ev.TurnStarted(1, "t1"))
    assert life.tell(ev.TurnFinished(1, "t1")) == []
    assert of(ef.AcknowledgeReset, life.tell(ev.ResetRequested())).outcome is ResetOutcome.CLOSING
    assert of(ef.Dropped, life.tell(ev.SwitchAgentRequested("a2"))).reason == "leaving"
    assert of(ef.LeaveRoom, life.tell(ev.HumanLeft("PA_ann"))).reason == "drained"
    assert of(ef.Dropped, life.tell(ev.TurnStarted(1, "t2"))).reason == "not in conversation"
    assert life.tell(ev.SpeechStopped(1), ev.TasksEnded(1)) == []


def test_a_visit_does_not_hold_up_a_drain_for_ever() -> None:
    life = engaged()
    life.tell(ev.DrainRequested())
    assert of(ef.LeaveRoom, life.fire(Timer.DRAIN_LIMIT)).reason == "drain_limit"


@pytest.mark.parametrize(
    ("event", "state", "reason"),
    [
        (ev.LeaseLost("taken"), State.DRAINING, "lease_lost"),
        (ev.ShutdownRequested("deploy"), State.DRAINING, "deploy"),
        (ev.Failure("internal", "broken"), State.FAILED, "failed: internal"),
        (ev.RoomDisconnected("server_shutdown"), State.CLOSED, "server_shutdown"),
        (ev.RoomDisconnected(), State.CLOSED, "disconnected"),
    ],
)
@pytest.mark.parametrize("begin", [engaged, ready, started])
def test_leaving_is_always_possible(begin: Any, event: ev.Event, state: State, reason: str) -> None:
    life = begin()
    assert of(ef.LeaveRoom, life.tell(event)).reason == reason
    assert life.machine.state is state
    assert life.machine.data.timers == {}
    assert "LeaveRoom" not in names(life.tell(ev.RoomDisconnected(reason)))


def test_a_job_told_to_go_before_it_was_up_just_goes() -> None:
    life = Life()
    assert of(ef.LeaveRoom, life.tell(ev.ShutdownRequested("deploy"))).reason == "deploy"
    assert names(life.tell(ev.JobStarted(0, "a1"), ev.RoomConnected((ANN,)))) == ["AnnounceState"]
    assert life.machine.state is State.DRAINING
    assert life.machine.data.timers == {}


def test_whoever_waits_for_a_reset_is_told_when_the_agent_leaves_instead() -> None:
    life = engaged()
    life.tell(ev.ResetRequested())
    assert of(ef.AcknowledgeReset, life.tell(ev.LeaseLost())).outcome is ResetOutcome.CLOSING


def test_an_error_is_shown_and_the_first_one_stays() -> None:
    life = engaged()
    assert of(ef.AnnounceState, life.tell(ev.Failure("tts_failed", "No voice."))).error == "tts_failed: No voice."
    life.tell(ev.Failure("internal"))
    assert life.machine.error == "tts_failed: No voice."


# --- what cannot be ---


@pytest.mark.parametrize(
    ("begin", "event"),
    [
        (Life, ev.RoomConnected()),
        (started, ev.JobStarted(0, "a1")),
        (started, ev.RoomConnected()),
        (ready, ev.TurnStarted(1, "t1")),
        (ready, ev.MemoryLoaded(1)),
        (ready, ev.MemoryLoaded(2)),
        (engaged, ev.TasksEnded(1)),
        (engaged, ev.HistoryCleared(1)),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_changes_nothing(begin: Any, event: ev.Event) -> None:
    life = begin()
    before = life.machine.data
    with pytest.raises(IllegalTransition) as caught:
        life.tell(event)
    assert type(event).__name__ in str(caught.value)
    assert f"state {before.state}" in str(caught.value)
    assert life.machine.data == before
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_what_can_be_read() -> None:
    life = engaged()
    machine = life.machine
    assert (machine.lease_epoch, machine.serving, machine.error, machine.agent_id) == (7, True, "", "a1")
