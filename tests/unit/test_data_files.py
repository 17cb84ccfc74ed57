"""In a checkout; of an installed wheel: integration/packaging."""

from __future__ import annotations

from voice_agent.data_files import LIVEKIT_MODULE, STATIC


def test_the_page_and_the_go_module_are_found() -> None:
    assert (STATIC / "voice-agent-selector.html").is_file()
    assert {path.name for path in LIVEKIT_MODULE.iterdir()} == {"go.mod", "go.sum"}
