"""Default instructions and greetings by role; an agent's configuration may replace them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from voice_agent.contracts import Role


@dataclass(frozen=True, slots=True)
class RoleWords:
    instructions: str
    greeting: str
    """`{name}` is replaced by the person's name."""


WORDS: Final[Mapping[Role, RoleWords]] = {
    Role.OWNER: RoleWords(
        "You are talking to the owner of the business. Help with its operations: be efficient and concrete.",
        "Hello {name}, I am ready to help with your business. What shall we look at?",
    ),
    Role.CUSTOMER: RoleWords(
        "You are talking to a customer of the business. Listen, be patient, and never reveal anything of other people.",
        "Hello {name}, welcome. What can I do for you today?",
    ),
    Role.GENERAL: RoleWords(
        "You are talking to a member of the public. Be friendly and clear.",
        "Hi {name}, what can I help you with today?",
    ),
}
