"""Input files go when nothing has named them for a month, and not before."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta

import pytest

from backend.generation.errors import UploadMissing
from backend.generation.pruning import KEEP_DAYS, prune_uploads
from backend.generation.uploads import Uploads
from backend.kit.clock import utc_now
from tests.fakes.comfyui import SimulatedComfyUI
from tests.generation import graphs
from tests.generation.rig import Rig

pytestmark = pytest.mark.anyio

_PAST_DAYS = KEEP_DAYS + 1


def naming(name: str) -> graphs.Graph:
    """A graph that names an input file beside what it makes."""
    graph = graphs.quick()
    graph["1"]["inputs"]["picture"] = name
    return graph


async def old(uploads: Uploads, content: bytes) -> str:
    """Keep a file as one that was sent too long ago."""
    name = await uploads.keep(content, "png")
    long_ago = (utc_now() - timedelta(days=_PAST_DAYS)).timestamp()
    await asyncio.to_thread(os.utime, uploads._folder / name.partition("/")[2], (long_ago, long_ago))
    return name


async def test_only_what_nothing_names_goes(rig: Rig) -> None:
    """Named by a job of these days, or sent in these days: it stays."""
    uploads = Uploads(rig.folder / "uploads")
    named, loose = await old(uploads, b"fox"), await old(uploads, b"wolves")
    fresh = await uploads.keep(b"bear", "png")
    again = await old(uploads, b"owl")
    assert await uploads.keep(b"owl", "png") == again
    strange = uploads._folder / "notes.txt"
    await asyncio.to_thread(strange.write_text, "not ours")
    await asyncio.to_thread(os.utime, strange, (0, 0))
    await rig.until((await rig.submit(naming(named))).id)

    assert await prune_uploads(rig.database, uploads, utc_now()) == len(b"wolves")
    for name, content in ((named, b"fox"), (fresh, b"bear"), (again, b"owl")):
        assert await uploads.read(name) == content
    with pytest.raises(UploadMissing):
        await uploads.read(loose)
    assert await asyncio.to_thread(strange.exists)
    assert await prune_uploads(rig.database, uploads, utc_now()) == 0


async def test_an_unfinished_job_keeps_its_files_however_old(rig: Rig, comfyui: SimulatedComfyUI) -> None:
    """When it has ended for as long as files are kept, they go."""
    uploads = Uploads(rig.folder / "uploads")
    name = await old(uploads, b"fox")
    comfyui.hold()
    running = await rig.submit(graphs.slow(1, seconds=0))
    await rig.until(running.id, "running")
    waiting = await rig.submit(naming(name))
    later = utc_now() + timedelta(days=_PAST_DAYS)
    assert await prune_uploads(rig.database, uploads, later) == 0
    comfyui.release()
    await rig.ended([running, waiting])

    assert await prune_uploads(rig.database, uploads, utc_now()) == 0
    assert await prune_uploads(rig.database, uploads, later) == len(b"fox")


async def test_without_a_folder_there_is_nothing_to_do(rig: Rig) -> None:
    """As on the first day."""
    assert await prune_uploads(rig.database, Uploads(rig.folder / "nowhere"), utc_now()) == 0
