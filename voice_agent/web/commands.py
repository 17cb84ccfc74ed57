"""Commands `voice-agent serve`, `voice-agent reset` and `voice-agent people`; the last two call the running server."""

from __future__ import annotations

from typing import Annotated

import typer

from voice_agent.standby import Standby, wait_until_needed
from voice_agent.web import people_commands


def register(app: typer.Typer) -> None:
    people_commands.register(app)

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
    def reset(
        room: Annotated[str, typer.Argument(help="Name of a room, or name or id of the assistant in it.")],
    ) -> None:
        """Give the agent of a room a new episode, as if everybody had left and come back."""
        from voice_agent import settings
        from voice_agent.web.client import ask
        from voice_agent.web.room_names import room_called

        found = settings.load().settings
        name = room_called(room, ask(found, "GET", "/rooms")["rooms"], ask(found, "GET", "/agents")["agents"])
        answer = ask(found, "POST", f"/rooms/{name}/reset")
        typer.echo(f"{answer['reset']}, episode {answer['episode']}")
