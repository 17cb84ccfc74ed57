"""What is up, asked of the parts themselves, not only read from what was written down."""

from __future__ import annotations

import asyncio
from typing import Any

from voice_agent.errors import Code, Permanent
from voice_agent.settings import Settings
from voice_agent.stack import parts, state
from voice_agent.stack.state import PartState, Phase


def read(settings: Settings) -> dict[str, Any]:
    running = state.load(settings.home)
    if running is None:
        raise Permanent(Code.NOT_RUNNING, f"Nothing is running in {settings.home}.", "Start it: voice-agent up")
    table = {part.name: part for part in parts.table(state.as_running(settings, running))}
    alive = running.supervisor.process() is not None

    async def ask() -> list[dict[str, Any]]:
        return list(await asyncio.gather(*(_part(table[part.name], part, alive) for part in running.parts)))

    return {"url": running.url, "parts": asyncio.run(ask())}


async def _part(part: parts.Part, written: PartState, supervised: bool) -> dict[str, Any]:
    process = written.process.process() if written.process else None
    trouble = written.detail
    if written.phase is Phase.READY:
        trouble = await part.probe()
    elif not trouble:
        trouble = str(written.phase)
    if part.ours and written.phase is Phase.READY and process is None:
        trouble = "its process is gone"
    if not supervised:
        trouble = f"the supervisor is gone; {trouble or 'still answering'}. Run `voice-agent restart`."
    return {
        "name": part.name,
        "ready": trouble == "",
        "pid": process.pid if process else None,
        "port": written.port,
        "version": written.version,
        "ready_after_s": written.ready_after_s,
        "restarts": written.restarts,
        "detail": trouble or part.where,
    }
