"""Absences: a human who loses the connection and is back soon continues the conversation. In virtual time."""

from __future__ import annotations

import pytest

from voice_agent.lifecycle import effects as ef
from voice_agent.lifecycle import events as ev
from voice_agent.lifecycle.absence import Absence, goes_on, lost_now
from voice_agent.lifecycle.machine import Machine
from voice_agent.lifecycle.states import Greeting, Human, State
from voice_agent.lifecycle.timing import Timing

ANN, AGAIN, BOB = Human("PA_1", "ann"), Human("PA_2", "ann"), Human("PA_3", "bob")
CALLING, CALLS_ON = Human("PA_4", "ann", call="one"), Human("PA_5", "ann", call="one")
CALLS_ANEW = Human("PA_6", "ann", call="two")
BROKEN, GOODBYE = "connection_timeout", "client_initiated"
LIMIT = Timing().lost_for


class Room:
    """A machine whose work is done at once, and a clock."""

    def __init__(self, timing: Timing | None = None) -> None:
        self.machine = Machine(timing)
        self.now = 0.0
        self.done: list[str] = []
        self.tell(ev.JobStarted(0, "a1"))
        self.tell(ev.RoomConnected())
        self.tell(ev.AudioPublished())

    def tell(self, event: ev.Event) -> None:
        for effect in self.machine.handle(event, self.now):
            self.done.append(type(effect).__name__)
            episode = self.machine.episode
            match effect:
                case ef.LoadMemory():
                    self.tell(ev.MemoryLoaded(episode))
                case ef.StopSpeech() if self.machine.state is State.RESETTING:
                    self.tell(ev.SpeechStopped(episode))
                case ef.CancelEpisodeTasks() if self.machine.state is State.RESETTING:
                    self.tell(ev.TasksEnded(episode))
                case ef.ClearHistory():
                    self.tell(ev.HistoryCleared(episode))
                case ef.Greet():
                    self.tell(ev.GreetingFinished(episode))

    def comes(self, human: Human) -> list[str]:
        """What is done when they come and hear us."""
        self.done = []
        self.tell(ev.HumanJoined(human))
        self.tell(ev.ListenerSubscribed(human.sid))
        assert self.machine.state is State.ENGAGED
        assert self.machine.greeting is Greeting.DONE
        return [name for name in self.done if name in ("Greet", "Resume")]

    def goes(self, human: Human, reason: str = BROKEN) -> None:
        self.tell(ev.HumanLeft(human.sid, reason))


def talked_to(human: Human = ANN) -> Room:
    room = Room()
    assert room.comes(human) == ["Greet"]
    return room


@pytest.mark.parametrize("away", [0.0, 20.0, LIMIT])
def test_who_is_lost_for_two_minutes_at_most_goes_on_and_is_not_greeted(away: float) -> None:
    room = talked_to()
    room.goes(ANN)
    assert room.machine.state is State.READY
    room.now += away
    assert room.comes(AGAIN) == ["Resume"]
    assert room.machine.episode == 2, "the reset was made, as for everybody who is gone"
    room.goes(AGAIN)
    assert room.comes(Human("PA_9", "ann")) == ["Resume"], "and once more"


def test_who_stays_away_for_longer_is_greeted() -> None:
    room = talked_to()
    room.goes(ANN)
    room.now += LIMIT + 1
    assert room.comes(AGAIN) == ["Greet"]


@pytest.mark.parametrize("goodbye", ["client_initiated", "participant_removed", "room_deleted", ""])
def test_who_said_goodbye_is_greeted(goodbye: str) -> None:
    room = talked_to()
    room.goes(ANN, goodbye)
    assert room.comes(AGAIN) == ["Greet"]


def test_nobody_else_goes_on_with_it() -> None:
    room = talked_to()
    room.goes(ANN)
    assert room.comes(BOB) == ["Greet"]
    room.goes(BOB, "client_initiated")
    assert room.comes(AGAIN) == ["Greet"], "in between it was another's"


def test_two_who_are_lost_go_on_and_a_third_among_them_does_not_hear_of_it() -> None:
    for third in (False, True):
        room = talked_to()
        room.tell(ev.HumanJoined(BOB))
        room.goes(ANN)
        room.goes(BOB)
        if third:
            room.comes(Human("PA_7", "cid"))
            assert room.done.count("Greet") == 1
        else:
            assert room.comes(AGAIN) == ["Resume"]


def test_the_last_one_who_leaves_takes_the_conversation_along() -> None:
    room = talked_to()
    room.tell(ev.HumanJoined(BOB))
    room.goes(ANN)
    room.goes(BOB, "client_initiated")
    assert room.comes(AGAIN) == ["Greet"]


def test_who_is_missing_after_our_own_absence_goes_on() -> None:
    """An outage for both: nobody told us how they went."""
    room = talked_to()
    room.tell(ev.RoomReconnected(full=True))
    room.tell(ev.HumansScanned(()))
    room.now += 20
    assert room.comes(AGAIN) == ["Resume"]


@pytest.mark.parametrize("cut", [ev.ResetRequested(), ev.SwitchAgentRequested("a2")])
def test_a_reset_that_somebody_wished_for_ends_it(cut: ev.Event) -> None:
    room = talked_to()
    room.goes(ANN)
    room.tell(cut)
    assert room.comes(AGAIN) == ["Greet"]


def test_who_was_lost_before_the_greeting_was_over_is_greeted() -> None:
    room = Room()
    room.tell(ev.HumanJoined(ANN))
    room.goes(ANN)
    assert room.comes(AGAIN) == ["Greet"]


def test_who_comes_back_while_the_reset_is_under_way_goes_on() -> None:
    room = talked_to()
    machine, episode = room.machine, room.machine.episode
    machine.handle(ev.HumanLeft(ANN.sid, BROKEN), room.now)
    machine.handle(ev.HumanJoined(AGAIN), room.now + 1)
    for event in (ev.SpeechStopped(episode), ev.TasksEnded(episode), ev.HistoryCleared(episode)):
        machine.handle(event, room.now + 1)
    effects = machine.handle(ev.MemoryLoaded(episode + 1), room.now + 1)
    assert [type(effect).__name__ for effect in effects if isinstance(effect, ef.Greet | ef.Resume)] == ["Resume"]


@pytest.mark.parametrize("away", [0.0, 20.0, LIMIT])
def test_who_says_goodbye_to_connect_anew_goes_on(away: float) -> None:
    """LiveKit's clients do: the token, and with it the call, is the same."""
    room = talked_to(CALLING)
    room.goes(CALLING, GOODBYE)
    room.now += away
    assert room.comes(CALLS_ON) == ["Resume"]
    room.goes(CALLS_ON, GOODBYE)
    assert room.comes(Human("PA_9", "ann", call="one")) == ["Resume"], "and once more"


def test_who_says_goodbye_and_calls_anew_is_greeted() -> None:
    for again in (CALLS_ANEW, AGAIN):
        room = talked_to(CALLING)
        room.goes(CALLING, GOODBYE)
        assert room.comes(again) == ["Greet"], again


def test_who_was_removed_is_greeted_also_in_the_same_call() -> None:
    """The page leaves by asking the server to remove it."""
    room = talked_to(CALLING)
    room.goes(CALLING, "participant_removed")
    assert room.comes(CALLS_ON) == ["Greet"]


def test_who_stays_away_for_longer_is_greeted_also_in_the_same_call() -> None:
    room = talked_to(CALLING)
    room.goes(CALLING, GOODBYE)
    room.now += LIMIT + 1
    assert room.comes(CALLS_ON) == ["Greet"]


def test_a_broken_connection_does_not_ask_for_the_call() -> None:
    """The page takes a new token when it comes back by itself, or the person loads it again."""
    room = talked_to(CALLING)
    room.goes(CALLING)
    assert room.comes(CALLS_ANEW) == ["Resume"]


def test_nobody_else_goes_on_with_it_by_naming_the_call() -> None:
    room = talked_to(CALLING)
    room.goes(CALLING, GOODBYE)
    assert room.comes(Human("PA_7", "bob", call="one")) == ["Greet"]


def test_a_client_may_connect_anew_while_the_reset_is_under_way() -> None:
    room = talked_to(CALLING)
    machine, episode = room.machine, room.machine.episode
    machine.handle(ev.HumanLeft(CALLING.sid, BROKEN), 0.0)
    machine.handle(ev.HumanJoined(CALLS_ON), 1.0)
    machine.handle(ev.HumanLeft(CALLS_ON.sid, GOODBYE), 2.0)
    for event in (ev.SpeechStopped(episode), ev.TasksEnded(episode), ev.HistoryCleared(episode)):
        machine.handle(event, 3.0)
    machine.handle(ev.MemoryLoaded(episode + 1), 3.0)
    assert room.comes(Human("PA_9", "ann", call="one")) == ["Resume"]


def test_among_several_each_goes_on_with_their_own_call() -> None:
    bob, bob_again = Human("PA_7", "bob", call="three"), Human("PA_8", "bob", call="three")
    room = talked_to(CALLING)
    room.tell(ev.HumanJoined(bob))
    room.goes(CALLING, GOODBYE)
    room.goes(bob, GOODBYE)
    assert room.comes(bob_again) == ["Resume"], "the last one"
    room = talked_to(CALLING)
    room.tell(ev.HumanJoined(bob))
    room.goes(CALLING, GOODBYE)
    room.goes(bob, GOODBYE)
    assert room.comes(CALLS_ON) == ["Greet"], "the last one took the conversation along"


def test_the_decision_alone() -> None:
    broken, removed, goodbye = (ev.HumanLeft("x", reason) for reason in ("duplicate_identity", "room_deleted", GOODBYE))
    lost = lost_now({"bob": Absence(1.0)}, broken, [ANN], 5.0, heard_out=True, everybody=True)
    assert lost == {"ann": Absence(5.0), "bob": Absence(1.0)}
    assert lost_now(lost, broken, [BOB], 6.0, heard_out=False, everybody=True) == lost
    assert lost_now(lost, removed, [BOB], 6.0, heard_out=True, everybody=False) == {"ann": Absence(5.0)}
    assert lost_now(lost, removed, [BOB], 6.0, heard_out=True, everybody=True) == {}
    assert lost_now(lost, goodbye, [CALLING], 6.0, heard_out=True, everybody=True) == {"ann": Absence(6.0, "one")}
    again = lost_now(lost, goodbye, [CALLING], 6.0, heard_out=False, everybody=True)
    assert again == {"ann": Absence(5.0, "one")}
    assert lost_now(again, goodbye, [CALLS_ANEW], 7.0, heard_out=False, everybody=True) == {}
    assert lost_now({}, goodbye, [CALLING], 7.0, heard_out=False, everybody=True) == {}
    assert goes_on(lost, (ANN,), 10.0, 5.0)
    assert not goes_on(lost, (ANN, BOB), 10.0, 5.0)
    assert not goes_on(lost, (), 5.0, 5.0)
    assert goes_on(again, (CALLS_ON,), 10.0, 5.0)
    assert not goes_on(again, (CALLS_ANEW,), 10.0, 5.0)
