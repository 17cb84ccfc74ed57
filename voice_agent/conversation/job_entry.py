"""Entry points of a job, for the worker's main process. The modules behind them are imported only in job processes:
a restarted worker is back a second earlier."""

from __future__ import annotations

from livekit.agents import JobContext, JobProcess


def prewarm(process: JobProcess) -> None:
    from voice_agent.conversation import job

    job.prewarm(process)


async def entrypoint(context: JobContext) -> None:
    from voice_agent.conversation import job

    await job.entrypoint(context)
