"""``hearth downloads``: the queue, with progress bars."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from backend.cli.output import say, show_json, show_table, size
from backend.cli.progress import watch_jobs
from backend.cli.session import Json, session

app = typer.Typer(no_args_is_help=True, help="See and steer the download queue.")

JobId = Annotated[str, typer.Argument(help="Id of the job, as `hearth downloads list` shows it.")]
JobIds = Annotated[list[str] | None, typer.Argument(help="Job ids; left out, every unfinished job.")]


@app.command("list")
def list_downloads(
    context: typer.Context,
    state: Annotated[str | None, typer.Option(help="Only these states, separated by commas.")] = None,
    json_output: Json = False,
) -> None:
    """List the queue and its history."""
    with session(context, as_json=json_output) as door:
        answer = door.call("GET", "/api/downloads", params={"state": state, "limit": 500})
        if json_output:
            show_json(answer)
            return
        if not answer["items"]:
            say("There are no downloads.")
            return
        rows = [
            [job["id"], job["state"], f"{size(job['bytes_done'])} of {size(job['bytes_total'])}", job["name"]]
            for job in answer["items"]
        ]
        show_table(["Id", "State", "Bytes", "Name"], rows)


@app.command()
def cancel(
    context: typer.Context,
    job_id: JobId,
    discard: Annotated[bool, typer.Option("--discard", help="Also delete what has arrived so far.")] = False,
    json_output: Json = False,
) -> None:
    """Cancel a job; what has arrived is kept unless --discard."""
    with session(context, as_json=json_output) as door:
        params = {"keep_partial": str(not discard).lower()}
        _show(door.call("POST", "/api/downloads/{}/cancel", job_id, params=params), as_json=json_output)


@app.command()
def retry(context: typer.Context, job_id: JobId, json_output: Json = False) -> None:
    """Try a failed, cancelled or blocked job again; without a running Hearth the command stays until it has ended."""
    with session(context, as_json=json_output) as door:
        job = door.call("POST", "/api/downloads/{}/retry", job_id)
        if not door.is_running:
            job = watch_jobs(door, [job_id], quiet=json_output)[0]
        _show(job, as_json=json_output)
        if job["state"] in ("failed", "blocked"):
            raise typer.Exit(1)


@app.command()
def watch(context: typer.Context, job_ids: JobIds = None, json_output: Json = False) -> None:
    """Show progress until the jobs have ended or wait for you; status 1 when one has failed."""
    with session(context, as_json=json_output) as door:
        chosen = job_ids or [
            job["id"] for job in door.call("GET", "/api/downloads", params={"active": "true", "limit": 500})["items"]
        ]
        jobs = watch_jobs(door, chosen, quiet=json_output) if chosen else []
        if json_output:
            show_json({"items": jobs, "total": len(jobs)})
        elif not jobs:
            say("Nothing is being downloaded.")
        if any(job["state"] == "failed" for job in jobs):
            raise typer.Exit(1)


def _show(job: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(job)
    else:
        say(f"{job['name']}: {job['state']}")
