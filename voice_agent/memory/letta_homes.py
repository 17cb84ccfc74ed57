"""Letta client: homes (one agent per assistant and person), passages and single blocks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast

from voice_agent.contracts import PERSONAL_LABELS
from voice_agent.errors import Code, Permanent
from voice_agent.memory.letta_connection import LettaConnection, gone_is_fine
from voice_agent.memory.model import FILES, HUMAN, Copied, StoredBlock, StoredPassage
from voice_agent.memory.own_agent import allowed_name

HOME_TAG: Final = "va:home"
_COPIES: Final = "va:copies"
"""Metadata key of a home: labels of the blocks that follow the assistant's. The blocks cannot carry it: Letta drops the
metadata of blocks that are created with their agent."""
_WRITTEN: Final = "va:written"
"""Metadata key of a block that `set_block` writes: its value as written."""
_COPIED: Final = (
    "agent_type",
    "system",
    "description",
    "llm_config",
    "embedding_config",
    "compaction_settings",
    "tool_rules",
    "response_format",
    "message_buffer_autoclear",
    "timezone",
    "max_files_open",
    "per_file_view_window_char_limit",
)
_BLOCK: Final = ("label", "value", "description", "limit", "read_only")
_INCLUDE: Final = ["agent.blocks", "agent.tools", "agent.tags", "agent.sources"]
_HIDDEN: Final = {"show_hidden_agents": True}


def home_tag(agent_id: str, person_id: str) -> str:
    """Identifies (assistant, person) without telling who the person is."""
    digest = hashlib.sha256(f"{agent_id}\0{person_id}".encode()).hexdigest()
    return f"{HOME_TAG}:{digest[:32]}"


class LettaHomes(LettaConnection):
    # --- homes ---

    async def create_home(self, agent_id: str, person_id: str, name: str, copied: Copied) -> str:
        with self._asking("copy an assistant"):
            source = await self._read_agent(agent_id)
            body = {field: source[field] for field in _COPIED if source.get(field) is not None}
            body |= {
                "name": allowed_name(f"{source['name']} - {name}" if name else source["name"], "home"),
                "tool_ids": [tool["id"] for tool in source.get("tools") or ()],
                "folder_ids": sorted(_folders(source)) if copied(FILES) else [],
                # The assistant's own rules and tools, not Letta's defaults.
                "include_base_tools": False,
                "include_base_tool_rules": False,
                "memory_blocks": [_copy(block) for block in _begun_with(source, copied)],
                "hidden": True,
                "tags": [HOME_TAG, home_tag(agent_id, person_id)],
                "metadata": _home_metadata(agent_id, _shared(source, copied)),
            }
            made = cast(dict[str, Any], await self._client.post("/v1/agents/", body=body, cast_to=object))
            return str(made["id"])

    async def find_homes(self, agent_id: str, person_id: str) -> list[str]:
        with self._asking("look for a home"):
            found = self._client.agents.list(
                tags=[home_tag(agent_id, person_id)], order="asc", limit=self._page, extra_query=_HIDDEN
            )
            return [agent.id async for agent in found]

    async def sync_home_blocks(self, agent_id: str, home_id: str, copied: Copied) -> None:
        with self._asking("bring blocks of an assistant into a home"):
            source, home = await self._read_agent(agent_id), await self._read_ours(home_id, HOME_TAG)
            theirs, ours = _shared(source, copied), _by_label(home)
            before = (home.get("metadata") or {}).get(_COPIES, ())
            if theirs.keys() - {*before}:
                # Recorded first, so that a copy left by a crash is known as one and can be removed.
                await self._client.agents.update(home_id, metadata=_home_metadata(agent_id, {*theirs, *before}))
            for label, block in theirs.items():
                wanted = _copy(block)
                if label not in ours:
                    await self._attach(home_id, wanted)
                elif any(ours[label].get(field) != wanted.get(field) for field in ("value", "description")):
                    wanted.pop("label")
                    await self._client.agents.blocks.update(label, agent_id=home_id, **wanted)
            for label in before:
                if label in ours and label not in theirs:
                    await self._client.agents.blocks.detach(ours[label]["id"], agent_id=home_id)
                    await self._client.blocks.delete(ours[label]["id"])
            await self._sync_folders(source, home, copied)
            if theirs.keys() != {*before}:
                await self._client.agents.update(home_id, metadata=_home_metadata(agent_id, theirs))

    async def _sync_folders(self, assistant: Mapping[str, Any], home: Mapping[str, Any], copied: Copied) -> None:
        there, wanted = _folders(home), _folders(assistant) if copied(FILES) else set()
        for folder in wanted - there:
            await self._client.agents.folders.attach(folder, agent_id=home["id"])
        for folder in (there & _folders(assistant)) - wanted:
            await self._client.agents.folders.detach(folder, agent_id=home["id"])

    async def delete_agent(self, home_id: str) -> None:
        await self._delete_ours(home_id, HOME_TAG, "delete a home")

    async def _delete_ours(self, agent_id: str, tag: str, doing: str) -> None:
        with gone_is_fine(), self._asking(doing):
            agent = await self._read_ours(agent_id, tag)
            # Letta deletes neither archives nor blocks with their agent; those that other agents use stay.
            for archive in (await self._client.archives.list(agent_id=agent_id)).items:
                if await self._alone(f"/v1/archives/{archive.id}/agents", agent_id):
                    await self._client.archives.delete(archive.id)
            for block in agent.get("blocks") or ():
                if await self._alone(f"/v1/blocks/{block['id']}/agents", agent_id):
                    await self._client.blocks.delete(block["id"])
            # Last, so that an interrupted deletion finds the agent again.
            await self._client.agents.delete(agent_id)

    async def _alone(self, path: str, agent_id: str) -> bool:
        options: Any = {"params": _HIDDEN}
        users = cast(list[dict[str, Any]], await self._client.get(path, cast_to=object, options=options))
        return all(user["id"] == agent_id for user in users)

    async def _read_ours(self, agent_id: str, tag: str) -> dict[str, Any]:
        agent = await self._read_agent(agent_id)
        if tag not in (agent.get("tags") or ()):
            raise Permanent(Code.BAD_REQUEST, f"{agent_id} was not made by us: it is not touched.")
        return agent

    async def _read_agent(self, agent_id: str) -> dict[str, Any]:
        options: Any = {"params": {"include": _INCLUDE}}
        return cast(dict[str, Any], await self._client.get(f"/v1/agents/{agent_id}", cast_to=object, options=options))

    # --- passages ---

    async def add_passage(self, agent_id: str, text: str, tags: Sequence[str], created_at: datetime) -> str:
        with self._asking("add a passage"):
            made = await self._client.agents.passages.create(
                agent_id, text=text, tags=list(tags), created_at=created_at
            )
            return str(made[0].id)

    async def passages(self, agent_id: str, containing: str = "") -> list[StoredPassage]:
        found: list[StoredPassage] = []
        more: dict[str, Any] = {"search": containing} if containing else {}
        with self._asking("list passages"):
            while page := await self._client.agents.passages.list(agent_id, limit=self._page, **more):
                found += [
                    StoredPassage(str(p.id), p.text, tuple(p.tags or ()), p.created_at or datetime.now(UTC))
                    for p in page
                ]
                more["after"] = page[-1].id
        return found

    async def delete_passage(self, agent_id: str, passage_id: str) -> None:
        with gone_is_fine(), self._asking("delete a passage"):
            await self._client.agents.passages.delete(passage_id, agent_id=agent_id)

    # --- blocks ---

    async def get_block(self, agent_id: str, label: str) -> StoredBlock | None:
        with self._asking("read a block"):
            block = _by_label(await self._read_agent(agent_id)).get(label)
        if block is None:
            return None
        written = (block.get("metadata") or {}).get(_WRITTEN)
        return StoredBlock(block["value"], written if isinstance(written, str) else None)

    async def set_block(self, agent_id: str, label: str, value: str, description: str) -> None:
        metadata: dict[str, object] = {_WRITTEN: value}
        with self._asking("write a block"):
            blocks = _by_label(await self._read_agent(agent_id))
            if label not in blocks:
                # Empty until it is attached: a block left unattached by a crash tells nothing about a person.
                empty = {"label": label, "value": "", "description": description, "read_only": True}
                await self._attach(agent_id, empty | {"metadata": {_WRITTEN: ""}})
            await self._client.agents.blocks.update(
                label, agent_id=agent_id, value=value, description=description, read_only=True, metadata=metadata
            )

    async def _attach(self, agent_id: str, block: Mapping[str, Any]) -> None:
        made = await self._client.blocks.create(**block)
        await self._client.agents.blocks.attach(made.id, agent_id=agent_id)


def _copy(block: Mapping[str, Any]) -> dict[str, Any]:
    """By value: a block shared by two agents can be edited by the tools of either."""
    copied = {field: block[field] for field in _BLOCK if block.get(field) is not None}
    return copied | {"value": ""} if block["label"] in PERSONAL_LABELS else copied


def _shared(assistant: Mapping[str, Any], copied: Copied) -> dict[str, Mapping[str, Any]]:
    """The assistant's blocks that a home has copies of."""
    blocks = _by_label(assistant)
    return {label: block for label, block in blocks.items() if label not in PERSONAL_LABELS and copied(label)}


def _begun_with(assistant: Mapping[str, Any], copied: Copied) -> list[Mapping[str, Any]]:
    """Blocks of a new home: those shared, and an empty `human` where the assistant has one about its owner."""
    blocks = _by_label(assistant)
    return [*_shared(assistant, copied).values(), *(blocks[label] for label in (HUMAN,) if label in blocks)]


def _folders(agent: Mapping[str, Any]) -> set[str]:
    return {folder["id"] for folder in agent.get("sources") or ()}


def _home_metadata(agent_id: str, shared: Iterable[str]) -> dict[str, object]:
    return {"va:assistant": agent_id, _COPIES: sorted(shared)}


def _by_label(agent: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {block["label"]: block for block in agent.get("blocks") or () if block.get("label")}
