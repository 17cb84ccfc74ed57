from __future__ import annotations

import pytest

from voice_agent.errors import Temporary
from voice_agent.memory.breaker import BreakerState, CircuitBreaker


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def broken() -> tuple[CircuitBreaker, Clock]:
    clock = Clock()
    breaker = CircuitBreaker("Letta", clock)
    for _ in range(5):
        breaker.check()
        breaker.failed()
    return breaker, clock


def test_after_five_failures_in_a_row_nobody_asks() -> None:
    breaker, _ = broken()
    assert breaker.state is BreakerState.OPEN
    with pytest.raises(Temporary):
        breaker.check()


def test_a_success_in_between_starts_the_count_again() -> None:
    breaker = CircuitBreaker("Letta")
    for _ in range(4):
        breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert breaker.state is BreakerState.CLOSED


def test_after_the_rest_one_call_looks_and_the_others_wait_for_it() -> None:
    breaker, clock = broken()
    clock.now = 6.0
    breaker.check()
    with pytest.raises(Temporary):
        breaker.check()
    breaker.succeeded()
    breaker.check()
    assert breaker.state is BreakerState.CLOSED


def test_who_stops_waiting_tells_of_a_hanging_server_only_when_it_answered_nobody() -> None:
    clock = Clock()
    breaker = CircuitBreaker("Letta", clock)
    states = []
    for answered in (True, False):
        for _ in range(5):
            asked_at = breaker.check()
            clock.now += 5.0
            if answered:
                breaker.heard()
            breaker.gave_up(asked_at)
        states.append(breaker.state)
    assert states == [BreakerState.CLOSED, BreakerState.OPEN]
