"""Follow jobs and checks with bars, by asking every half second."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

from backend.cli.door import Door
from backend.cli.output import console, say

_POLL_S = 0.5
_ENDED = frozenset({"completed", "failed", "cancelled"})
_WAITING_FOR_A_PERSON = frozenset({"blocked", "paused"})

_Draw = Callable[[str, dict[str, Any], str], None]


def watch_jobs(door: Door, job_ids: Sequence[str], *, quiet: bool) -> list[dict[str, Any]]:
    """Follow jobs until each has ended or waits for a person; Ctrl-C stops watching, never the download of a server."""
    jobs = _jobs(door, job_ids)
    with _bars(quiet=quiet) as draw:
        while True:
            for job in jobs:
                draw(job["name"], job, job["state"])
            if all(job["state"] in _ENDED | _WAITING_FOR_A_PERSON for job in jobs):
                break
            time.sleep(_POLL_S)
            jobs = _jobs(door, job_ids)
    if not quiet:
        for job in jobs:
            if job["error"]:
                say(f"{job['name']}: {job['error']['message']} {job['error']['hint']}")
    return jobs


def watch_check(door: Door, preset_id: str, *, quiet: bool) -> dict[str, Any]:
    """Check a preset's files and follow that to its end."""
    check = door.call("POST", "/api/presets/{}/verify", preset_id)
    with _bars(quiet=quiet) as draw:
        while True:
            draw(check["preset_id"], check, check["state"])
            if check["state"] not in ("queued", "running"):
                return check
            time.sleep(_POLL_S)
            check = door.call("GET", "/api/presets/{}/verify", preset_id)


def _jobs(door: Door, job_ids: Sequence[str]) -> list[dict[str, Any]]:
    return [door.call("GET", "/api/downloads/{}", job_id) for job_id in dict.fromkeys(job_ids)]


@contextmanager
def _bars(*, quiet: bool) -> Generator[_Draw]:
    """Hand out a function that draws name, numbers (``bytes_total``, ``bytes_done``) and a word into one bar per name."""
    if quiet:
        yield lambda _name, _numbers, _word: None
        return
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(bar_width=30), DownloadColumn(binary_units=True),
        TransferSpeedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[word]}", markup=False),
    )  # fmt: skip
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=console()) as bars:

        def draw(name: str, numbers: dict[str, Any], word: str) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=None, word=word)
            bars.update(tasks[name], total=numbers["bytes_total"], completed=numbers["bytes_done"], word=word)

        yield draw
