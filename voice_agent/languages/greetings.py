"""Greeting of an assistant, without what it remembers of the person. Pure."""

from __future__ import annotations

from voice_agent.languages.model import Sentences


def greeting(
    sentences: Sentences, agent: str, configured: str | None, name: str = "", *, returning: bool = False
) -> str:
    """`configured`: the assistant's own greeting; empty: it says none."""
    if configured is not None:
        return configured.replace("{name}", name or sentences.there)
    if returning:
        sentence = sentences.welcome_back_named if name else sentences.welcome_back
    else:
        sentence = sentences.hello_named if name else sentences.hello
    return sentence.replace("{agent}", agent).replace("{name}", name)
