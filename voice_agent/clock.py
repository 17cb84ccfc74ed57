"""Wall clock for all that a person hears and all that is kept about a person. One place, so that a test or a
demonstration can be on another day. Tokens and logs use the machine's clock."""

from __future__ import annotations

import math
import os
from datetime import UTC, date, datetime, timedelta
from typing import Final

AHEAD: Final = "VOICE_CLOCK_AHEAD"
"""Days; `settings.py` refuses a value that is not a number."""


def now() -> datetime:
    return datetime.now(UTC) + _ahead()


def today() -> date:
    """The date in this machine's time zone."""
    return now().astimezone().date()


def _ahead() -> timedelta:
    try:
        days = float(os.environ.get(AHEAD) or 0.0)
    except ValueError:
        return timedelta()
    return timedelta(days=days) if math.isfinite(days) and abs(days) < 10_000 else timedelta()
