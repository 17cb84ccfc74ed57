"""Commands `voice-agent serve` and `voice-agent reset`; the latter calls the running server."""

from __future__ import annotations

from typing import Annotated

import typer

from voice_agent.standby import Standby, wait_until_needed


def register(app: typer.Typer) -> None:
    @app.command()
    def serve(standby: Standby = False) -> None:
        """Run the control plane: the page, the API and the room-health monitor."""
        import gc

        gc.disable()  # imports leave no garbage, and collecting takes a fifth of their time
        from voice_agent import settings
        from voice_agent.web.server import serve as run

        gc.freeze()
        gc.enable()
        if standby:
            wait_until_needed()
        run(settings.load().settings)

    @app.command()
    def reset(room: Annotated[str, typer.Argument(help="Its name, as GET /rooms and the log show it.")]) -> None:
        """Give the agent of a room a new episode, as if everybody had left and come back."""
        from voice_agent import settings
        from voice_agent.web.client import ask

        answer = ask(settings.load().settings, "POST", f"/rooms/{room}/reset")
        typer.echo(f"{answer['reset']}, episode {answer['episode']}")
