"""KV cache slots of llama.cpp: which slot a conversation uses, and which saved prompt or other slot to copy. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from voice_agent.providers.local_server import SAVED_PROMPTS

WORTH_COPYING: Final = 400
"""Characters, some hundred tokens: seconds of prompt processing, against ten milliseconds for a copy."""


@dataclass(eq=False)
class _Kept:
    where: int | str
    """Number of a slot, or file name of a saved prompt."""
    name: str = ""
    read: str = ""
    busy: int = 0
    used: int = 0

    def common_prefix(self, prompt: str) -> int:
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(self.read, prompt, strict=False)))


@dataclass(frozen=True, slots=True)
class Place:
    slot: int
    copy_of: int | str | None = None
    """Source slot or file of a saved prompt, which holds a good part of this prompt already."""


class KvCache:
    def __init__(self, count: int) -> None:
        self._slots = [_Kept(number) for number in range(count)]
        self._saved = [_Kept(f"saved-{number}.slot") for number in range(SAVED_PROMPTS)]
        self._uses = 0

    @contextmanager
    def place(self, conversation: str, prompt: str) -> Iterator[Place]:
        """The conversation's own slot, else the least recently used one, idle ones first."""
        slot, known = self._for(self._slots, conversation)
        source = None if known else self._source(slot, prompt)
        slot.read = prompt
        slot.busy += 1
        try:
            yield Place(int(slot.where), source)
        finally:
            slot.busy -= 1

    def is_saved(self, name: str, prompt: str) -> bool:
        return any(one.name == name and one.read == prompt for one in self._saved)

    def forget_slots(self) -> None:
        """After a restart of the llama.cpp process. Saved prompts are files and stay valid."""
        for slot in self._slots:
            slot.name = slot.read = ""

    @contextmanager
    def saved(self, name: str, prompt: str) -> Iterator[str]:
        """The file to save the prompt in: its previous one, else the oldest. Valid only after the block has ended."""
        kept, _ = self._for(self._saved, name)
        kept.read = ""
        yield str(kept.where)
        kept.read = prompt

    def _for(self, places: Sequence[_Kept], name: str) -> tuple[_Kept, bool]:
        own = next((one for one in places if one.name == name), None)
        kept = own or min(places, key=lambda one: (one.busy, one.used))
        self._uses += 1
        kept.name, kept.used = name, self._uses
        return kept, own is not None

    def _source(self, slot: _Kept, prompt: str) -> int | str | None:
        others = [one for one in (*self._saved, *self._slots) if not one.busy and one is not slot]
        best = max(others, key=lambda one: one.common_prefix(prompt))
        return best.where if best.common_prefix(prompt) - slot.common_prefix(prompt) >= WORTH_COPYING else None
