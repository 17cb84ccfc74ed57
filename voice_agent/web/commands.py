"""`voice-agent serve`."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    @app.command()
    def serve() -> None:
        """Run the control plane: the page, the API and the room-health monitor."""
        from voice_agent import settings
        from voice_agent.web.server import serve as run

        run(settings.load().settings)
