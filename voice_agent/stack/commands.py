"""Commands `voice-agent up | down | restart | status | doctor | settings | secrets`, and `memory`."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from voice_agent.stack import memory_commands

Foreground = Annotated[bool, typer.Option("--foreground", help="Stay attached; Ctrl-C stops everything.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable.")]


def register(app: typer.Typer) -> None:
    app.command()(up)
    app.command()(down)
    app.command()(restart)
    app.command()(status)
    app.command()(doctor)
    app.command("settings")(show_settings)
    secrets = typer.Typer(help="The secrets that `up` generated.", no_args_is_help=True)
    secrets.callback()(lambda: None)  # with a single command, typer would drop its name
    secrets.command("rotate")(rotate_secrets)
    app.add_typer(secrets, name="secrets")
    app.command(hidden=True)(supervise)
    memory_commands.register(app)


def up(foreground: Foreground = False) -> None:
    """Start everything that is not given by URL, and wait until it is ready."""
    from voice_agent import settings
    from voice_agent.stack import launch

    launch.up(settings.load().settings, _say, foreground=foreground)


def down() -> None:
    """Stop what `up` started, and nothing else."""
    from voice_agent import settings
    from voice_agent.stack import launch

    launch.down(settings.load().settings, _say)


def restart() -> None:
    """`down`, then `up`."""
    down()
    up()


def status(as_json: Json = False) -> None:
    """What is up. Exits 0 only when everything is ready."""
    from voice_agent import settings
    from voice_agent.stack import status as report

    found = report.read(settings.load().settings)
    ready = all(service["ready"] for service in found["services"])
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        for service in found["services"]:
            mark = "ready    " if service["ready"] else "NOT READY"
            took = "" if service["ready_after_s"] is None else f"{service['ready_after_s']:6.1f} s"
            typer.echo(
                f"{mark} {service['name']:<9} {service['version']:<8} pid {service['pid'] or '-':<8} "
                f"port {service['port'] or '-':<6} {took:>8}  {service['detail']}"
            )
        typer.echo(found["url"])
    if not ready:
        sys.exit(1)


def doctor(as_json: Json = False) -> None:
    """Check everything this needs. Exits 0 only when nothing is wrong."""
    from voice_agent import settings
    from voice_agent.stack.doctor import examine

    findings = examine(settings.load().settings)
    if as_json:
        typer.echo(json.dumps([finding.as_dict() for finding in findings], indent=2))
    else:
        for finding in findings:
            typer.echo(f"{'ok   ' if finding.ok else 'WRONG'} {finding.check:<15} {finding.message} {finding.remedy}")
    if not all(finding.ok for finding in findings):
        sys.exit(1)


def show_settings(
    as_json: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="The reference, docs/settings.md.")] = False,
    env: Annotated[bool, typer.Option("--env", help="A template for .env.local: .env.example.")] = False,
) -> None:
    """Every setting, its value and where that comes from; secrets masked."""
    from voice_agent import settings
    from voice_agent.stack import settings_view as view

    if markdown or env:
        typer.echo(view.markdown() if markdown else view.env_file(), nl=False)
        return
    rows = view.rows(settings.load())
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        typer.echo(f"{row['name']:<28} {row['value'] or '-':<44} {row['origin']}")


def rotate_secrets() -> None:
    """Replace the generated secrets. They count from the next start on; sessions that are open then end."""
    from voice_agent import settings
    from voice_agent.stack import secret_store

    loaded = settings.load()
    replaced = secret_store.rotate(loaded.settings)
    typer.echo(f"New in {settings.STACK_FILE}: {', '.join(replaced) or 'nothing'}.")
    given = [name for name in replaced if loaded.origin[name] != settings.STACK_FILE]
    if given:
        typer.echo(f"Not used, because given elsewhere: {', '.join(f'{n} ({loaded.origin[n]})' for n in given)}.")
    typer.echo("A restart is needed: voice-agent restart. Until then what runs knows the old ones only.")
    if secret_store.SESSIONS_END & set(replaced):
        typer.echo("Sessions that are open then end: browsers hold tokens of the old LiveKit secret and join anew.")


def supervise(report: Annotated[int, typer.Option()]) -> None:
    """The detached supervisor; started by `up` only."""
    from voice_agent import settings
    from voice_agent.stack import launch

    launch.supervise_detached(settings.load().settings, report)


def _say(text: str) -> None:
    typer.echo(text)
