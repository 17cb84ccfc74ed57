"""Sample agents for our own Letta while it is empty: three of them, so that a new user has an assistant to talk to."""

from __future__ import annotations

from typing import Any, Final

import httpx

from voice_agent.errors import Code, Temporary
from voice_agent.memory.own_agent import new_agent
from voice_agent.providers import endpoints
from voice_agent.settings import Settings
from voice_agent.stack.subprocess_utils import Report

SAMPLES: Final[tuple[dict[str, Any], ...]] = (
    {
        "name": "Juniper",
        "description": "A warm personal companion who remembers the small things.",
        "blocks": {
            "persona": "I am Juniper, a warm and attentive companion. I speak in short, friendly sentences, I remember "
            "what matters to the person I talk to, and I ask one question at a time.",
            "human": "The person I talk to is called Robin. Robin has a grey cat named Pepper, plays the cello, and "
            "drinks peppermint tea in the evening.",
            "plans": "Robin wants to visit Lisbon in May and asked me to keep that in mind.",
        },
    },
    {
        "name": "Marlow",
        "description": "A dry, precise workshop mentor.",
        "blocks": {
            "persona": "I am Marlow, a workshop mentor. I am precise, a little dry, and never use two sentences where "
            "one will do. I would rather say that I do not know than guess.",
            "human": "The person I talk to restores old wooden boats. The current project is a sailing boat named "
            "Halcyon, built in 1962.",
            "project": "The hull of Halcyon is oak. Next step: replace the third plank on the port side.",
        },
    },
    {
        "name": "Rosa",
        "description": "The front desk of a small restaurant.",
        "blocks": {
            "persona": "I am Rosa, the host at the front desk of the restaurant Blue Lantern. I am cheerful and brisk, "
            "and I help guests with opening hours, the menu and reservations.",
            "human": "Guests I do not know by name. I stay polite and ask for a name when they want a table.",
            # The label of a block that guests may hear (memory/audience.py).
            "task": "Blue Lantern opens at six in the evening, closed on Mondays. The dish of the house is "
            "mushroom risotto. The kitchen is vegetarian.",
        },
    },
)


async def ensure(settings: Settings, report: Report) -> None:
    """Writes only to our own Letta, and only while it has no agent at all."""
    if settings.letta_base_url:
        return
    async with httpx.AsyncClient(
        base_url=settings.effective_letta_url,
        headers={"Authorization": f"Bearer {settings.letta_api_key}"},
        timeout=60.0,
        trust_env=False,
    ) as client:
        if await _ask(client, "GET", "/v1/agents/", params={"limit": 1}):
            return
        model = f"vllm/{endpoints.llm(settings).model}"
        _require_listed(model, await _ask(client, "GET", "/v1/models/"))
        for sample in SAMPLES:
            agent = new_agent(sample["name"], sample["description"], sample["blocks"], model)
            await _ask(client, "POST", "/v1/agents/", json=agent)
    report(f"letta: created the sample agents {', '.join(sample['name'] for sample in SAMPLES)}")


def _require_listed(model: str, models: list[dict[str, Any]]) -> None:
    handles = [str(entry.get("handle")) for entry in models]
    if model not in handles:
        raise Temporary(
            Code.NOT_READY,
            f"Letta does not list {model} (it lists: {', '.join(handles) or 'nothing'}).",
            "Look into models.log; the model server must list its chat model when Letta starts.",
        )


async def _ask(client: httpx.AsyncClient, method: str, path: str, **request: Any) -> Any:
    try:
        answer = await client.request(method, path, **request)
        answer.raise_for_status()
    except httpx.HTTPStatusError as error:
        told = f"answered {error.response.status_code}: {error.response.text[:300]}"
        raise Temporary(Code.LETTA_REFUSED, f"Letta {told} ({method} {path}).", "See letta.log.") from error
    except httpx.HTTPError as error:
        raise Temporary(
            Code.LETTA_UNAVAILABLE, f"Letta did not answer {method} {path}: {error}.", "See letta.log."
        ) from error
    return answer.json()
