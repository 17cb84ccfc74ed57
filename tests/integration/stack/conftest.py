from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.prepared import Prepared

IMPORTED = ("voice_agent.cli", "voice_agent.web.server", "voice_agent.conversation.worker", "voice_agent.models.app")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    """A process that has imported what commands import, for whoever runs them one after the other."""
    with Prepared.importing(tmp_path_factory.mktemp("prepared"), *IMPORTED) as process:
        yield process
