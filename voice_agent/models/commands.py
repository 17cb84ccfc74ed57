"""Commands `voice-agent models …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from voice_agent.models.catalog import Model

Names = Annotated[list[str] | None, typer.Argument(help="Models; without any: the ones that are used by default.")]


def register(app: typer.Typer) -> None:
    models = typer.Typer(help="The models that run on this machine.", no_args_is_help=True)
    models.command("list")(list_models)
    models.command("fetch")(fetch_models)
    models.command("verify")(verify_models)
    models.command("prune")(prune_models)
    models.command("serve")(serve_models)
    app.add_typer(models, name="models")


def list_models() -> None:
    """Models, licences, sizes, and what is here already."""
    from voice_agent.downloads import is_cached
    from voice_agent.models.catalog import MODELS
    from voice_agent.settings import load

    cache = load().settings.cache
    for model in MODELS.values():
        files = model.files.values()
        here = sum(is_cached(file, cache) for file in files)
        state = "here" if here == len(files) else f"{here} of {len(files)} files here" if here else "not here"
        default = ", used by default" if model.default else ""
        typer.echo(f"{model.name}: {model.role}, {sum(file.size for file in files) / 1e6:.0f} MB, {state}{default}")
        typer.echo(f"    {model.note}\n    licence: {model.licence}")


def fetch_models(names: Names = None) -> None:
    """Download models, resumed where an earlier download ended."""
    from rich.console import Console

    from voice_agent.downloads import fetch_all
    from voice_agent.settings import load

    settings = load().settings
    console = Console()
    for model in _chosen(names):
        with console.status(model.name) as status:
            files = list(model.files.values())
            fetch_all(
                files, settings.cache, lambda progress: status.update(str(progress)), settings.effective_model_hub
            )
        console.print(f"{model.name}: here, every byte checked ({model.licence})")


def verify_models(names: Names = None) -> None:
    """Check every byte; exit code 1 when something is missing or damaged."""
    from voice_agent.downloads import is_cached, verify
    from voice_agent.settings import load

    cache = load().settings.cache
    wrong = 0
    for model in _chosen(names):
        for file in model.files.values():
            if not verify(file, cache):
                wrong += 1
                typer.echo(f"{file.name}: {'damaged' if is_cached(file, cache) else 'missing'}")
    typer.echo("All files are right." if not wrong else f"{wrong} wrong; `voice-agent models fetch` repairs them.")
    raise typer.Exit(code=1 if wrong else 0)


def prune_models() -> None:
    """Remove models that are not used by default, and what interrupted downloads left."""
    from voice_agent.downloads import is_cached, remove, remove_leftovers
    from voice_agent.models.catalog import MODELS
    from voice_agent.models.processes import plans
    from voice_agent.settings import load

    settings = load().settings
    used = {model.name for plan in plans(settings) for model in plan.models}
    freed = remove_leftovers(settings.cache)
    for model in MODELS.values():
        if model.default or model.name in used:  # the default is used where another one does worse
            continue
        for file in model.files.values():
            freed += file.size if is_cached(file, settings.cache) else 0
            remove(file, settings.cache)
    typer.echo(f"{freed / 1e6:.0f} MB freed.")


def serve_models() -> None:
    """Run the model server until it is interrupted."""
    from voice_agent.models.app import serve
    from voice_agent.settings import load

    serve(load().settings)


def _chosen(names: list[str] | None) -> list[Model]:
    from voice_agent.models.catalog import MODELS, find

    return [find(name) for name in names] if names else [model for model in MODELS.values() if model.default]
