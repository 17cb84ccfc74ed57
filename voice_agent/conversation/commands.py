"""Command `voice-agent worker`."""

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

        # STT, TTS and end-of-turn detection are configured here: livekit's own models are not loaded.
        os.environ.setdefault("LIVEKIT_AGENTS_PRELOAD_LOCAL_INFERENCE", "0")
        # Off: it checks the clock fifty times a second, twice in every job, to trace what blocks the loop.
        os.environ.setdefault("LIVEKIT_AGENTS_LOOP_BLOCK_WARN_MS", "0")
        # Imports take seconds: the forkserver of the job processes does them at the same time as this process.
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
