"""Rate limit per address."""

from __future__ import annotations

from voice_agent.web.rate_limits import RateLimit


def test_an_address_gets_its_share_and_then_one_at_a_time() -> None:
    limit = RateLimit(per_minute=6)
    assert [limit.take("a", 0.0) for _ in range(6)] == [0.0] * 6
    assert limit.take("a", 0.0) == 10.0
    assert limit.take("b", 0.0) == 0.0
    assert limit.take("a", 10.0) == 0.0
    assert limit.take("a", 10.0) > 0.0
