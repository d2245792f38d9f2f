"""``hearth presets``: browse, download, verify and delete."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from backend.cli.output import say, show_json, show_table, size
from backend.cli.progress import watch_check, watch_jobs
from backend.cli.session import Json, session

app = typer.Typer(no_args_is_help=True, help="Browse, download, verify and delete presets.")

PresetId = Annotated[str, typer.Argument(help="Id; old names such as LTX_VIDEO_T2V work too.")]
PresetIds = Annotated[list[str], typer.Argument(help="Ids; old names such as LTX_VIDEO_T2V work too.")]


@app.command("list")
def list_presets(
    context: typer.Context,
    query: Annotated[str | None, typer.Option("--query", "-q", help="Words to look for.")] = None,
    category: Annotated[str | None, typer.Option(help="video, image, audio, 3d or tools.")] = None,
    status: Annotated[str | None, typer.Option(help="absent, partial, downloading, installed, …")] = None,
    json_output: Json = False,
) -> None:
    """List presets."""
    with session(context, as_json=json_output) as door:
        params = {"q": query, "category": category, "status": status, "limit": 500}
        answer = door.call("GET", "/api/presets", params=params)
        if json_output:
            show_json(answer)
            return
        rows = [
            [p["id"], p["category"], size(p["size_bytes"] or p.get("size_estimate_bytes")), p["status"], p["name"]]
            for p in answer["items"]
        ]
        show_table(["Id", "Category", "Size", "Status", "Name"], rows)
        say(f"{answer['total']} presets", style="dim")


@app.command()
def show(context: typer.Context, preset_id: PresetId, json_output: Json = False) -> None:
    """Show one preset with its files."""
    with session(context, as_json=json_output) as door:
        preset = door.call("GET", "/api/presets/{}", preset_id)
        if json_output:
            show_json(preset)
            return
        say(f"{preset['name']}  {preset['id']}  {preset['status']}", style="bold")
        say(preset["description"])
        rows = [
            [f["directory"], f["name"], size(f["size_bytes"] or f.get("size_estimate_bytes")), f["status"]]
            for f in preset["files"]
        ]
        show_table(["Folder", "File", "Size", "Status"], rows)


@app.command()
def download(
    context: typer.Context,
    preset_ids: PresetIds,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Show progress until everything is there.")] = True,
    json_output: Json = False,
) -> None:
    """Download presets; without a running Hearth the command itself stays until they are there."""
    with session(context, as_json=json_output) as door:
        jobs: list[dict[str, Any]] = [
            door.call("POST", "/api/presets/{}/download", preset_id) for preset_id in dict.fromkeys(preset_ids)
        ]
        if wait or not door.is_running:
            jobs = watch_jobs(door, [job["id"] for job in jobs], quiet=json_output)
        if json_output:
            show_json({"items": jobs, "total": len(jobs)})
        elif not wait and door.is_running:
            for job in jobs:
                say(f"{job['name']}: {job['state']}")
        if any(job["state"] in ("failed", "cancelled", "blocked") for job in jobs):
            raise typer.Exit(1)


@app.command()
def verify(context: typer.Context, preset_id: PresetId, json_output: Json = False) -> None:
    """Read every file of a preset and compare its checksum; status 1 when one is damaged."""
    with session(context, as_json=json_output) as door:
        check = watch_check(door, preset_id, quiet=json_output)
        if json_output:
            show_json(check)
        else:
            rows = [[f["directory"], f["name"], f["status"]] for f in check["files"]]
            show_table(["Folder", "File", "Status"], rows)
        if check["state"] != "completed" or any(file["status"] == "damaged" for file in check["files"]):
            raise typer.Exit(1)


@app.command()
def delete(
    context: typer.Context,
    preset_id: PresetId,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go and what would stay.")] = False,
    json_output: Json = False,
) -> None:
    """Move a preset's files to the trash; files that another installed preset needs stay."""
    with session(context, as_json=json_output) as door:
        removal = door.call("DELETE", "/api/presets/{}", preset_id, params={"dry_run": str(dry_run).lower()})
        if json_output:
            show_json(removal)
        else:
            _show_removal(removal)


def _show_removal(removal: dict[str, Any]) -> None:
    gone = [[file["path"], size(file["size_bytes"]), "to the trash"] for file in removal["files"]]
    gone += [[path, "–", "deleted, it was unfinished"] for path in removal["partials"]]
    kept = [[file["path"], size(file["size_bytes"]), f"stays: {file['reason']}"] for file in removal["kept"]]
    if not gone and not kept:
        say("Nothing of it is on the disk.")
        return
    show_table(["File", "Size", "What happens" if removal["dry_run"] else "What happened"], [*gone, *kept])
    if removal["dry_run"]:
        say(f"{size(removal['bytes_freed'])} would go; nothing was changed.")
    elif removal["removal_id"]:
        say(f"{size(removal['bytes_freed'])} are in the trash; undo it on the dashboard or with "
            f"POST /api/presets/{removal['preset_id']}/restore.")  # fmt: skip
