"""What a worker knows of its jobs: two names. The modules behind them are loaded where jobs run, which is not here:
a worker that was restarted is back a second earlier."""

from __future__ import annotations

from livekit.agents import JobContext, JobProcess


def prewarm(process: JobProcess) -> None:
    from voice_agent.conversation import job

    job.prewarm(process)


async def entrypoint(context: JobContext) -> None:
    from voice_agent.conversation import job

    await job.entrypoint(context)
