"""Provider checks: whether STT, LLM, TTS, embeddings and VAD work, known before a caller depends on them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from voice_agent.providers.checks import Check, check_all
from voice_agent.settings import Settings

_SOON: Final = 10.0
"""Pause after a failure: models may still be loading, or a key may just have been corrected."""
_SELDOM: Final = 900.0
"""Pause after a success: a check costs a word of each role."""


class ProviderWatch:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.checks: tuple[Check, ...] = ()
        """Empty until the first check is done."""

    @property
    def failing(self) -> Iterable[Check]:
        return [check for check in self.checks if not check.ok]

    async def run(self) -> None:
        while True:
            self.checks = await check_all(self._settings)
            await asyncio.sleep(_SOON if self.failing else _SELDOM)
