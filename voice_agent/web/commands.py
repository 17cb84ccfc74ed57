"""`voice-agent serve`, and what asks the running one for something: `voice-agent reset`."""

from __future__ import annotations

from typing import Annotated

import typer

from voice_agent.standby import Standby, wait_until_needed


def register(app: typer.Typer) -> None:
    @app.command()
    def serve(standby: Standby = False) -> None:
        """Run the control plane: the page, the API and the room-health monitor."""
        import gc

        gc.disable()  # nothing here is garbage, and looking through it is a fifth of the time that importing takes
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
