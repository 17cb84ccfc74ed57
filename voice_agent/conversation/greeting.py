"""What is said first. Pure: the words depend on who comes and whether they have been here."""

from __future__ import annotations

from voice_agent.contracts import AgentBinding


def greeting_text(agent: AgentBinding, *, user_name: str, returning: bool, enabled: bool) -> str:
    """Empty: nothing is said."""
    if not enabled or agent.greeting == "":
        return ""
    name = f", {user_name}" if user_name else ""
    if agent.greeting:
        return agent.greeting.replace("{name}", user_name or "there")
    if returning:
        return f"Welcome back{name}. What would you like to talk about?"
    return f"Hello{name}, this is {agent.name}. How can I help you?"
