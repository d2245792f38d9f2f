"""The commands of ``hearth``; each is a thin door to one endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backend.cli import downloads, presets, serving
from backend.cli.doctor import show_findings
from backend.cli.output import say, show_json, show_table
from backend.cli.session import Json, errors_shown, session, settings_of
from backend.version import VERSION

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="The self-hosted home of ComfyUI."
)
app.add_typer(presets.app, name="presets")
app.add_typer(downloads.app, name="downloads")


def main() -> None:
    """Run the command line."""
    app()


@app.callback(invoke_without_command=False)
def _root(
    context: typer.Context,
    workspace: Annotated[Path | None, typer.Option(help="Folder that holds everything; WORKSPACE otherwise.")] = None,
) -> None:
    context.obj = workspace


@app.command()
def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on; HOST otherwise.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; PORT otherwise.")] = None,
    json_output: Json = False,
) -> None:
    """Start Hearth and stay until Ctrl-C."""
    changes = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    with errors_shown(as_json=json_output):
        serving.serve(settings_of(context, **changes), as_json=json_output)


@app.command()
def paths(context: typer.Context, json_output: Json = False) -> None:
    """Show where models are looked for and where downloads go."""
    with session(context, as_json=json_output) as door:
        answer = door.call("GET", "/api/paths")
        if json_output:
            show_json(answer)
            return
        say(f"Workspace  {answer['workspace']}\nComfyUI    {answer['extra_model_paths']}")
        rows = [[root["path"], "downloads go here" if root["is_default"] else "searched"] for root in answer["roots"]]
        show_table(["Model folder", "Use"], rows)
        show_table(["Category", "Folder"], [[c["name"], c["path"]] for c in answer["categories"]])


@app.command()
def doctor(
    context: typer.Context,
    measure: Annotated[
        bool,
        typer.Option("--measure/--no-measure", help="Measure the volume's speed: two seconds, 64 MiB for as long."),
    ] = True,
    json_output: Json = False,
) -> None:
    """Check this installation and say how to mend what is wrong; status 1 when something is."""
    with session(context, as_json=json_output) as door:
        answer = door.call("GET", "/api/system/checks", params={"measure": measure})
        if json_output:
            show_json(answer)
        else:
            show_findings(answer["items"])
        if any(check["state"] == "problem" for check in answer["items"]):
            raise typer.Exit(1)


@app.command()
def version(json_output: Json = False) -> None:
    """Print the version."""
    if json_output:
        show_json({"version": VERSION})
    else:
        print(VERSION)
