"""`voice-agent worker`."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    @app.command()
    def worker() -> None:
        """Run a worker: it takes one job per room and speaks there."""
        import asyncio
        from multiprocessing import forkserver

        # Imports take seconds: the server of the job processes makes them while we do.
        forkserver.set_forkserver_preload(["voice_agent.conversation.preload"])
        forkserver.ensure_running()

        from voice_agent import settings
        from voice_agent.conversation.worker import run

        asyncio.run(run(settings.load().settings))
