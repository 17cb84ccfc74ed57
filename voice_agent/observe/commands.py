"""Commands `voice-agent logs` and `voice-agent replay`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    app.command()(logs)
    app.command()(replay)


def logs(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines are written.")] = False,
    room: Annotated[str, typer.Option(help="Only this room.")] = "",
    session: Annotated[str, typer.Option(help="Only this session.")] = "",
    event: Annotated[str, typer.Option(help="Only events whose name begins like this.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Lines as they are.")] = False,
    file: Annotated[Path | None, typer.Option(help="Another log than this installation's.")] = None,
) -> None:
    """Show the reconnect log."""
    import itertools
    import json
    import sys
    import time

    from voice_agent import settings
    from voice_agent.observe.following import follow as following
    from voice_agent.observe.reading import read_all
    from voice_agent.observe.rendering import render
    from voice_agent.observe.rotation import parts

    path = file or settings.load().settings.reconnect_log

    def wait() -> bool:
        sys.stdout.flush()
        time.sleep(0.2)  # no portable event tells that a file has grown
        return follow

    older = (entry.data for entry in read_all(part for part in parts(path) if part != path) if entry.data)
    newest = following(path, wait if follow else lambda: False)
    colour = sys.stdout.isatty()
    try:
        for line in itertools.chain(older, newest):
            fits = (not room or line.get("room") == room) and (not session or line.get("session") == session)
            if fits and str(line.get("event", "")).startswith(event):
                typer.echo(json.dumps(line, ensure_ascii=False) if as_json else render(line, colour=colour))
    except (KeyboardInterrupt, BrokenPipeError):
        raise typer.Exit(0) from None


def replay(
    files: Annotated[list[Path], typer.Argument(help="The log and its rotated parts, in any order.", exists=True)],
    observer: Annotated[list[Path] | None, typer.Option(help="Record of an independent observer.", exists=True)] = None,
    bound: Annotated[float, typer.Option(help="Seconds a human may be without a ready agent.")] = 20.0,
    settled: Annotated[bool, typer.Option(help="The log ends at rest: every turn must be stored.")] = False,
) -> None:
    """Check a reconnect log against every invariant it can show. Exit code 1 on a breach."""
    from voice_agent.observe.reading import read_all
    from voice_agent.observe.record import check

    breaches = 0
    for breach in check(read_all(files), read_all(observer or []), bound=bound, settled=settled):
        breaches += 1
        typer.echo(str(breach))
    typer.echo("No breach." if not breaches else f"{breaches} breaches.", err=True)
    if breaches:
        raise typer.Exit(1)
