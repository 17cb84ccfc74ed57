"""`voice-agent worker`."""

from __future__ import annotations

import typer

from voice_agent.standby import Standby, wait_until_needed


def register(app: typer.Typer) -> None:
    @app.command()
    def worker(standby: Standby = False) -> None:
        """Run a worker: it takes one job per room and speaks there."""
        import asyncio
        import gc
        import os
        from multiprocessing import forkserver

        # Ears, voices and the end of a turn are ours to choose: livekit's own models stay on the disk.
        os.environ.setdefault("LIVEKIT_AGENTS_PRELOAD_LOCAL_INFERENCE", "0")
        # A look at the clock fifty times a second, twice in every job, to say in a trace what blocked the loop.
        os.environ.setdefault("LIVEKIT_AGENTS_LOOP_BLOCK_WARN_MS", "0")
        # Imports take seconds: the server of the job processes makes them while we do.
        forkserver.set_forkserver_preload(["voice_agent.conversation.preload"])
        forkserver.ensure_running()

        gc.disable()  # for the same reason as in voice_agent.conversation.preload
        from voice_agent import settings
        from voice_agent.conversation.worker import run

        gc.freeze()
        gc.enable()
        if standby:
            wait_until_needed()
        asyncio.run(run(settings.load().settings))
