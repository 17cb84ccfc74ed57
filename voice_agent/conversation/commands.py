"""`voice-agent worker`."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    @app.command()
    def worker() -> None:
        """Run a worker: it takes one job per room and speaks there."""
        import asyncio

        from voice_agent import settings
        from voice_agent.conversation.worker import run

        asyncio.run(run(settings.load().settings))
