"""Letta client: agents that are made for assistants of ours, one for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import httpx

from voice_agent.errors import Code, Permanent
from voice_agent.memory.letta_homes import LettaHomes
from voice_agent.memory.own_agent import MADE_TAG, allowed_name, made_tag, new_agent, rewritten
from voice_agent.providers import endpoints
from voice_agent.settings import Settings

_WRITTEN: Final = "va:written"
"""Metadata key of such an agent: label → text that we wrote at the beginning of the block."""


class LettaAssistants(LettaHomes):
    def __init__(
        self, settings: Settings, *, timeout: float, page: int, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        super().__init__(settings, timeout=timeout, page=page, transport=transport)
        self._own_model = settings.letta_model
        self._chat_model = endpoints.llm(settings).model

    async def create_assistant(self, assistant_id: str, name: str, description: str, blocks: Mapping[str, str]) -> str:
        body = new_agent(name, description, blocks, self._chosen(await self._models()))
        body |= {"tags": [MADE_TAG, made_tag(assistant_id)], "metadata": {_WRITTEN: dict(blocks)}}
        with self._asking("create an agent"):
            made: Any = await self._client.post("/v1/agents/", body=body, cast_to=object)
            return str(made["id"])

    async def find_assistants(self, assistant_id: str) -> list[str]:
        with self._asking("look for the agent of an assistant"):
            found = self._client.agents.list(tags=[made_tag(assistant_id)], order="asc", limit=self._page)
            return [agent.id async for agent in found]

    async def write_assistant(self, agent_id: str, name: str, description: str, blocks: Mapping[str, str]) -> None:
        with self._asking("write what an assistant is"):
            agent = await self._read_agent(agent_id)
            metadata = agent.get("metadata") or {}
            before = metadata.get(_WRITTEN) or {}
            values = {block["label"]: block["value"] for block in agent.get("blocks") or ()}
            for label, after in blocks.items():
                value = rewritten(values.get(label, ""), before.get(label, ""), after)
                if label not in values:
                    await self._attach(agent_id, {"label": label, "value": value})
                elif value != values[label]:
                    await self._client.agents.blocks.update(label, agent_id=agent_id, value=value)
            # Last: until then a repeated attempt finds the text that stands in the blocks.
            await self._client.agents.update(
                agent_id,
                name=allowed_name(name, "assistant"),
                description=description,
                metadata={**metadata, _WRITTEN: {**before, **blocks}},
            )

    async def delete_assistant(self, agent_id: str) -> None:
        await self._delete_ours(agent_id, MADE_TAG, "delete the agent of an assistant")

    async def _models(self) -> frozenset[str]:
        with self._asking("list models"):
            return frozenset(model.handle or "" for model in await self._client.models.list())

    def _chosen(self, listed: frozenset[str]) -> str:
        """The model of a new agent: the one that is set, else the LLM that answers."""
        wanted = self._own_model or f"vllm/{self._chat_model}"
        same = [wanted, *([] if self._own_model else sorted(h for h in listed if h.endswith(f"/{self._chat_model}")))]
        found = next((handle for handle in same if handle in listed), None)
        if found is None:
            raise Permanent(
                Code.LETTA_REFUSED,
                f"Letta does not list the model {wanted} (it lists: {', '.join(sorted(listed - {''})) or 'nothing'}).",
                "Set VOICE_LETTA_MODEL to one of them, or share the memory of an agent that exists.",
            )
        return found
