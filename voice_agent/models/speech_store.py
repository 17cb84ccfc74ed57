"""Speech store: sentences that were synthesized before and are said again, such as greetings. In memory only. Pure."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

MOST: Final = 32_000_000
"""Bytes, eleven minutes of speech."""
LONGEST: Final = 1_500_000
"""Bytes of one text; longer ones are hardly said twice."""
_REMEMBERED: Final = 2_000

Key = tuple[str, str, float]
"""Text, voice, speed."""


class SpeechStore:
    """Keeps what is asked for a second time, and what is made ahead; the least recently used speech goes first.

    Most answers are said once and are not kept. What a person told is, where it is made ahead: until other speech needs
    the room, or the process ends.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: OrderedDict[Key, bytes] = OrderedDict()
        self._size = 0
        self._asked: OrderedDict[int, None] = OrderedDict()
        """Hashes of the texts that were asked for once."""

    def get(self, key: Key) -> bytes | None:
        if (speech := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
        return speech

    def asked_again(self, key: Key) -> bool:
        mark = hash(key)
        again = mark in self._asked
        self._asked[mark] = None
        self._asked.move_to_end(mark)
        if len(self._asked) > _REMEMBERED:
            self._asked.popitem(last=False)
        return again

    def put(self, key: Key, speech: bytes) -> None:
        if len(speech) > min(LONGEST, self._most):
            return
        self._size += len(speech) - len(self._kept.pop(key, b""))
        self._kept[key] = speech
        while self._size > self._most:
            _, oldest = self._kept.popitem(last=False)
            self._size -= len(oldest)
