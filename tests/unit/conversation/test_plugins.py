"""LiveKit plugins by name, tested with the two that are always installed."""

from __future__ import annotations

import pytest
from livekit.plugins import openai, silero

from voice_agent.conversation import plugins
from voice_agent.errors import Code, Permanent


async def test_a_plugin_is_made_from_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "from the environment, as plugins do")
    made = plugins.made("openai", "TTS", {"model": "tts-1", "voice": "nova", "speed": 0.9, "language": ""})
    assert isinstance(made, openai.TTS)
    assert (made.model, made._opts.voice, made._opts.speed) == ("tts-1", "nova", 0.9)
    await made.aclose()


def test_voice_detection_is_loaded_by_name() -> None:
    assert isinstance(plugins.loaded_vad("silero"), silero.VAD)


@pytest.mark.parametrize(
    ("provider", "kind", "options", "says"),
    [
        ("deepgram", "STT", {}, "not installed"),
        ("silero", "TTS", {}, "has no TTS"),
        ("openai", "TTS", {"language": "de"}, "takes no language"),
        ("openai", "TTS", {"model": "tts-1"}, "cannot be used"),
    ],
)
def test_what_cannot_be_had_is_refused_in_words(
    provider: str, kind: plugins.Kind, options: dict[str, str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(Permanent) as refused:
        plugins.made(provider, kind, options)
    assert refused.value.code is Code.PROVIDER_UNAVAILABLE
    assert says in str(refused.value)


def test_a_plugin_that_repeats_its_key_does_not_tell_it() -> None:
    environment = {"ACME_API_KEY": "abcdef-123456", "SHORT_KEY": "no", "HOME": "/home/someone"}
    said = plugins.without_secrets("Your key abcdef-123456 is not good; look into /home/someone.", environment)
    assert said == "Your key (ACME_API_KEY) is not good; look into /home/someone."
