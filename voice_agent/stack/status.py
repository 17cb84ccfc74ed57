"""Status of the run: each service is probed, besides reading the saved state."""

from __future__ import annotations

import asyncio
from typing import Any

from voice_agent.errors import Code, Permanent
from voice_agent.settings import Settings
from voice_agent.stack import services, state
from voice_agent.stack.state import Phase, ServiceState


def read(settings: Settings) -> dict[str, Any]:
    running = state.load(settings.home)
    if running is None:
        raise Permanent(Code.NOT_RUNNING, f"Nothing is running in {settings.home}.", "Start it: voice-agent up")
    table = {service.name: service for service in services.table(state.as_running(settings, running))}
    alive = running.supervisor.process() is not None

    async def ask() -> list[dict[str, Any]]:
        return list(
            await asyncio.gather(*(_service(table[service.name], service, alive) for service in running.services))
        )

    return {"url": running.url, "services": asyncio.run(ask())}


async def _service(service: services.Service, written: ServiceState, supervised: bool) -> dict[str, Any]:
    process = written.process.process() if written.process else None
    problem = written.detail
    if written.phase is Phase.READY:
        problem = await service.probe()
    elif not problem:
        problem = str(written.phase)
    if service.ours and written.phase is Phase.READY and process is None:
        problem = "its process is gone"
    if not supervised:
        problem = f"the supervisor is gone; {problem or 'still answering'}. Run `voice-agent restart`."
    return {
        "name": service.name,
        "ready": problem == "",
        "pid": process.pid if process else None,
        "port": written.port,
        "version": written.version,
        "ready_after_s": written.ready_after_s,
        "restarts": written.restarts,
        "detail": problem or service.where,
    }
