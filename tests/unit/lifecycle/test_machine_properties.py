"""Properties of the machine: Hypothesis checks the laws of `machine_world`, and shrinks what it finds.

VOICE_TEST_PROFILE=soak takes 100,000 steps instead of 2,000.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.machine_world import REASONS, World, walks

SOAK = os.environ.get("VOICE_TEST_PROFILE") == "soak"

index = st.integers(0, 999)
identities = st.sampled_from(["ann", "bob", "cid"])


class AssistantLife(RuleBasedStateMachine):
    @initialize(resident=st.booleans(), last_episode=st.integers(0, 5), greeted=st.booleans(), present=st.booleans())
    def begin(self, resident: bool, last_episode: int, greeted: bool, present: bool) -> None:
        self.world = World(resident=resident)
        self.ev = self.world.core.events
        humans = (self.world.new_human(),) if present else ()
        before = frozenset(human.sid for human in humans) if greeted else frozenset()
        self.world.tell(self.ev.JobStarted(last_episode, "agent-0", 1, before))
        self.world.tell(self.ev.RoomConnected(humans))

    @rule()
    def audio_published(self) -> None:
        self.world.tell(self.ev.AudioPublished())

    @rule(which=index, mood=index)
    def work_ends(self, which: int, mood: int) -> None:
        self.world.deliver(which, mood)

    @rule(which=index)
    def result_is_doubled(self, which: int) -> None:
        if self.world.done:
            self.world.tell(self.world.done[which % len(self.world.done)])

    @rule(which=index)
    def any_timer_fires(self, which: int) -> None:
        self.world.fire(which)

    @rule()
    def a_bound_passes(self) -> None:
        self.world.fire_running()

    @rule(identity=identities)
    def human_joins(self, identity: str) -> None:
        self.world.tell(self.ev.HumanJoined(self.world.new_human(identity)))

    @precondition(lambda self: self.world.present)
    @rule(which=index, reason=st.sampled_from(REASONS))
    def human_leaves(self, which: int, reason: str) -> None:
        sids = list(self.world.present)
        self.world.tell(self.ev.HumanLeft(sids[which % len(sids)], reason))

    @rule(seconds=st.sampled_from([10.0, 100.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.passes(seconds)

    @rule(keep=st.integers(0, 3), fresh=st.lists(identities, max_size=2))
    def scanned(self, keep: int, fresh: list[str]) -> None:
        kept = tuple(self.world.present.values())[:keep]
        self.world.tell(self.ev.HumansScanned(kept + tuple(self.world.new_human(identity) for identity in fresh)))

    @rule(known=st.booleans(), which=index)
    def listener_subscribed(self, known: bool, which: int) -> None:
        sids = list(self.world.present)
        self.world.tell(self.ev.ListenerSubscribed(sids[which % len(sids)] if known and sids else None))

    @rule(which=index)
    def somebody_speaks(self, which: int) -> None:
        sids = [*self.world.present, "PA_unknown"]
        self.world.tell(self.ev.SpeakerChanged(sids[which % len(sids)]))

    @rule(turn=st.sampled_from(["t1", "t2"]), begins=st.booleans(), age=st.integers(0, 1))
    def turn(self, turn: str, begins: bool, age: int) -> None:
        episode = self.world.machine.episode - age
        self.world.tell(self.ev.TurnStarted(episode, turn) if begins else self.ev.TurnFinished(episode, turn))

    @rule(changed=st.booleans())
    def sync_finished(self, changed: bool) -> None:
        self.world.tell(self.ev.SyncFinished(changed))

    @rule()
    def reset_requested(self) -> None:
        self.world.tell(self.ev.ResetRequested())

    @rule(agent=st.sampled_from(["agent-1", "agent-2"]))
    def switch_requested(self, agent: str) -> None:
        self.world.tell(self.ev.SwitchAgentRequested(agent))

    @rule(full=st.booleans())
    def reconnected(self, full: bool) -> None:
        self.world.tell(self.ev.RoomReconnected(full))

    @rule(which=st.integers(0, 60))
    def the_end(self, which: int) -> None:
        ends = {
            0: self.ev.DrainRequested(),
            1: self.ev.LeaseLost(),
            2: self.ev.ShutdownRequested(),
            3: self.ev.Failure("internal", "broken"),
            4: self.ev.RoomDisconnected("gone"),
        }
        if which in ends:
            self.world.tell(ends[which])

    @invariant()
    def it_knows_who_is_here(self) -> None:
        if hasattr(self, "world"):
            assert list(self.world.present.values()) == list(self.world.machine.humans)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.settle()


TestAssistantLife = AssistantLife.TestCase
TestAssistantLife.settings = settings(
    max_examples=1000 if SOAK else 40,
    stateful_step_count=100 if SOAK else 50,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_random_lives() -> None:
    """The same laws without shrinking, for many more steps a second."""
    assert walks(None, range(100 if SOAK else 5), 1000) > 20
