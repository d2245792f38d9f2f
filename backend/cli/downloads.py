"""``hearth downloads``: the queue, with progress bars."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from backend.cli.door import Door
from backend.cli.output import console, show_json, show_table, size
from backend.cli.session import Json, session

app = typer.Typer(no_args_is_help=True, help="See and steer the download queue.")

_POLL_S = 0.5
_ENDED = frozenset({"completed", "failed", "cancelled"})
_WAITING_FOR_A_PERSON = frozenset({"blocked", "paused"})

JobIds = Annotated[list[str] | None, typer.Argument(help="Job ids; left out, every unfinished job.")]


@app.command("list")
def list_downloads(
    context: typer.Context,
    state: Annotated[str | None, typer.Option(help="Only these states, separated by commas.")] = None,
    json_output: Json = False,
) -> None:
    """List the queue and its history."""
    with session(context, as_json=json_output) as door:
        answer = door.call("GET", "/api/downloads", params={"state": state})
        if json_output:
            show_json(answer)
            return
        rows = [
            [job["id"], job["state"], f"{size(job['bytes_done'])} of {size(job['bytes_total'])}", job["name"]]
            for job in answer["items"]
        ]
        show_table(["Id", "State", "Bytes", "Name"], rows)


@app.command()
def cancel(
    context: typer.Context,
    job_id: str,
    discard: Annotated[bool, typer.Option("--discard", help="Also delete what has arrived so far.")] = False,
    json_output: Json = False,
) -> None:
    """Cancel a job; what has arrived is kept unless --discard."""
    with session(context, as_json=json_output) as door:
        job = door.call("POST", f"/api/downloads/{job_id}/cancel", params={"keep_partial": str(not discard).lower()})
        _show(job, as_json=json_output)


@app.command()
def retry(context: typer.Context, job_id: str, json_output: Json = False) -> None:
    """Try a failed, cancelled or blocked job again."""
    with session(context, as_json=json_output) as door:
        job = door.call("POST", f"/api/downloads/{job_id}/retry")
        if not door.is_running:
            job = watch_jobs(door, [job_id], quiet=json_output)[0]
        _show(job, as_json=json_output)


@app.command()
def watch(context: typer.Context, job_ids: JobIds = None, json_output: Json = False) -> None:
    """Show progress until the jobs end."""
    with session(context, as_json=json_output) as door:
        chosen = job_ids or [
            job["id"] for job in door.call("GET", "/api/downloads", params={"active": "true"})["items"]
        ]
        jobs = watch_jobs(door, chosen, quiet=json_output)
        if json_output:
            show_json({"items": jobs, "total": len(jobs)})
        elif not jobs:
            console.print("Nothing is being downloaded.")
        if any(job["state"] == "failed" for job in jobs):
            raise typer.Exit(1)


def watch_jobs(door: Door, job_ids: list[str], *, quiet: bool) -> list[dict[str, Any]]:
    """Follow jobs until each has ended or waits for a person; Ctrl-C stops watching, never the download of a server."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(binary_units=True), TransferSpeedColumn(),
        TimeRemainingColumn(), TextColumn("{task.fields[state]}"),
    )  # fmt: skip
    with Progress(*columns, console=console, disable=quiet) as bars:
        tasks: dict[str, TaskID] = {}
        while True:
            jobs = [door.call("GET", f"/api/downloads/{job_id}") for job_id in dict.fromkeys(job_ids)]
            for job in jobs:
                _draw(bars, tasks, job)
            if all(job["state"] in _ENDED | _WAITING_FOR_A_PERSON for job in jobs):
                break
            time.sleep(_POLL_S)
    if not quiet:
        for job in jobs:
            if job["error"]:
                console.print(f"{job['name']}: {job['error']['message']} {job['error']['hint']}", highlight=False)
    return jobs


def _draw(bars: Progress, tasks: dict[str, TaskID], job: dict[str, Any]) -> None:
    if job["id"] not in tasks:
        tasks[job["id"]] = bars.add_task(job["name"], total=None, state=job["state"])
    bars.update(tasks[job["id"]], total=job["bytes_total"], completed=job["bytes_done"], state=job["state"])


def _show(job: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(job)
    else:
        console.print(f"{job['name']}: {job['state']}", highlight=False)
