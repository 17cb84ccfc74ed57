"""Binding of an assistant to a room: what a job is told about it."""

from __future__ import annotations

from voice_agent.contracts import AgentBinding, MemoryScope, ReplyPath
from voice_agent.errors import Code, Permanent
from voice_agent.registry.config import AgentConfig, mistake_in, spoken_by
from voice_agent.registry.model import Agent
from voice_agent.registry.roles import RoleWords


def stored_config(agent: Agent) -> AgentConfig:
    """Its configuration as it was saved."""
    config = AgentConfig.model_validate(agent.config)
    if mistake := mistake_in(config):
        raise Permanent(Code.PROVIDER_UNAVAILABLE, mistake[0], "Correct it in the configuration of the assistant.")
    return config


def binding_of(
    agent: Agent, config: AgentConfig, role_words: RoleWords | None, memory_scope: MemoryScope, installed: str
) -> AgentBinding:
    words = role_words or RoleWords("", "")
    language, providers = spoken_by(config, installed)
    return AgentBinding(
        agent_id=agent.id,
        letta_agent_id=agent.letta_agent_id,
        name=agent.name,
        greeting=config.greeting if config.greeting is not None else words.greeting or None,
        instructions="\n\n".join(text for text in (words.instructions, config.instructions) if text),
        memory_scope=memory_scope,
        reply_path=config.reply_path or ReplyPath.HYBRID,
        providers=providers,
        language=language,
        audience=config.audience or {},
    )
