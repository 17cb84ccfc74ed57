"""Provisioning: everything that must be installed before the services can start. A step that was done is skipped."""

from __future__ import annotations

import asyncio
import filecmp
import shutil
from typing import Final

from voice_agent.downloads import Artifact, Place, is_cached
from voice_agent.errors import VoiceAgentError
from voice_agent.models.processes import plans
from voice_agent.settings import LIVEKIT_CLIENT_VERSION, Settings
from voice_agent.stack import letta, livekit, postgres
from voice_agent.stack.subprocess_utils import Report, fetched

LIVEKIT_CLIENT: Final = Artifact(
    name=f"livekit-client {LIVEKIT_CLIENT_VERSION}",
    sha256="053820ce316a0d9881e54d4745eeb45b96575c05d3591a214f318168336e1367",
    size=1_437_498,
    places=((Place("npm", "livekit-client", LIVEKIT_CLIENT_VERSION, "package/dist/livekit-client.esm.mjs"),),),
)


async def provision(settings: Settings, report: Report) -> None:
    """All steps run concurrently: one builds, the others download. The first failure stops the rest."""
    try:
        async with asyncio.TaskGroup() as group:
            if not settings.livekit_url:
                group.create_task(livekit.provision(settings, report), name="livekit-server")
            if not settings.letta_base_url:
                group.create_task(postgres.provision(settings, report), name="postgres")
                group.create_task(letta.provision(settings, report), name="letta")
            group.create_task(_livekit_client(settings, report), name="livekit-client")
            group.create_task(_models(settings, report), name="models")
    except* VoiceAgentError as failures:
        errors = [error for error in failures.exceptions if isinstance(error, VoiceAgentError)]
        failure = errors[0]
    else:
        return
    raise failure


async def _livekit_client(settings: Settings, report: Report) -> None:
    target = settings.livekit_client
    [source] = await fetched([LIVEKIT_CLIENT], settings.cache, report)
    if target.is_file() and filecmp.cmp(source, target, shallow=False):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_suffix(".new")
    shutil.copyfile(source, fresh)
    fresh.replace(target)


async def _models(settings: Settings, report: Report) -> None:
    # The model server checks every byte when it starts; here only missing files matter.
    files = [file for plan in plans(settings) for model in plan.models for file in model.files.values()]
    missing = [file for file in files if not is_cached(file, settings.cache)]
    if missing:
        report(f"models: fetching {sum(file.size for file in missing) / 1e6:.0f} MB, once")
        await fetched(missing, settings.cache, report, settings.effective_model_hub)
