"""The disk's part: room, rights, and what of an earlier run may be believed."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.downloads.errors import DestinationTaken, FolderNotWritable, NoSpace
from backend.downloads.transfer.disk import publish
from tests.downloads.transfer.workbench import MIB, Workbench, until
from tests.fakes.content import Content
from tests.fakes.model_host import ModelHost, Slow

pytestmark = pytest.mark.anyio

FILE = Content.safetensors(20 * MIB + 5, seed=1)
ROOT = Path(__file__).parents[3]


async def test_a_file_that_does_not_fit_is_refused_before_its_body(bench: Workbench, model_host: ModelHost) -> None:
    """The reserve stays free; the error tells how much is missing."""
    bench.reserve_bytes = 1 << 60
    with pytest.raises(NoSpace) as full:
        await bench.fetch(model_host.put("/a", FILE))
    details = full.value.details
    assert details["need_bytes"] == FILE.size
    assert details["reserve_bytes"] == 1 << 60
    assert 0 < int(str(details["free_bytes"])) < 1 << 60
    assert bench.leftovers == []


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no tmpfs to fill")
async def test_a_disk_that_fills_up_meanwhile_keeps_what_arrived(bench: Workbench, model_host: ModelHost) -> None:
    """Where blocks are not set aside the free space is watched; with room again the transfer goes on."""
    destination = Path("/dev/shm") / f"hearth-test-{os.getpid()}" / "model.safetensors"
    url = model_host.put("/a", FILE, Slow(6e6))
    try:
        task = asyncio.ensure_future(bench.fetch(url, destination=destination))
        await until(lambda: bench.meter.bytes_done > 5 * MIB)
        bench.reserve_bytes = 1 << 60
        with pytest.raises(NoSpace):
            await task
        bench.reserve_bytes = 0
        model_host.put("/a", FILE)
        fetched = await bench.fetch(url, destination=destination)
        assert fetched.resumed_from >= 5 * MIB
        assert await bench.holds(FILE, destination)
    finally:
        for path in destination.parent.iterdir():
            path.unlink()
        destination.parent.rmdir()


def test_a_write_that_the_system_refuses_for_lack_of_room_is_named(tmp_path: Path, model_host: ModelHost) -> None:
    """A process that may write no further (setrlimit) meets what a full disk or quota answers."""
    url = model_host.put("/a", FILE)
    script = "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    script += "resource.setrlimit(resource.RLIMIT_FSIZE, (8 << 20, 8 << 20))\n"
    script += "from pathlib import Path; from tests.downloads.transfer.child import fetch\n"
    script += "fetch(sys.argv[1], Path(sys.argv[2]), None)"
    command = [sys.executable, "-c", script, url, str(tmp_path / "model.safetensors")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert "no_space" in run.stdout, run.stderr
    assert not (tmp_path / "model.safetensors").exists()


async def test_a_folder_that_cannot_be_made_is_named(bench: Workbench, model_host: ModelHost) -> None:
    """Read-only file systems refuse root too."""
    with pytest.raises(FolderNotWritable):
        await bench.fetch(model_host.put("/a", FILE), destination=Path("/sys/hearth/model.safetensors"))


async def test_a_file_where_a_folder_should_be_is_named(bench: Workbench, model_host: ModelHost) -> None:
    """Somebody saved a file under the name of the folder."""
    (bench.folder / "models").write_bytes(b"")
    with pytest.raises((FolderNotWritable, DestinationTaken)):
        await bench.fetch(model_host.put("/a", FILE))


def _remove(state: Path, _part: Path) -> None:
    state.unlink()


def _tear(state: Path, _part: Path) -> None:
    state.write_bytes(state.read_bytes()[:-20])


def _zero(state: Path, _part: Path) -> None:
    state.write_bytes(bytes(len(state.read_bytes())))


def _nest(state: Path, _part: Path) -> None:
    state.write_text("[" * 100_000)


def _claim_more(state: Path, part: Path) -> None:
    os.truncate(part, 3 * MIB)


def _claim_nonsense(state: Path, _part: Path) -> None:
    state.write_text(json.dumps({**json.loads(state.read_text()), "ranges": [[5, 3], [-1, "x"]]}))


def _claim_beyond_the_end(state: Path, _part: Path) -> None:
    state.write_text(json.dumps({**json.loads(state.read_text()), "ranges": [[0, FILE.size + 1]]}))


def _be_of_another_file(state: Path, _part: Path) -> None:
    state.write_text(json.dumps({**json.loads(state.read_text()), "identity": "another"}))


def _be_of_a_later_version(state: Path, _part: Path) -> None:
    state.write_text(json.dumps({**json.loads(state.read_text()), "version": 99}))


def _lose_the_part(_state: Path, part: Path) -> None:
    part.unlink()


@pytest.mark.parametrize(
    "damage",
    [
        _remove,
        _tear,
        _zero,
        _nest,
        _claim_more,
        _claim_nonsense,
        _claim_beyond_the_end,
        _be_of_another_file,
        _be_of_a_later_version,
        _lose_the_part,
    ],
)
async def test_a_state_that_cannot_be_believed_begins_anew(
    bench: Workbench, model_host: ModelHost, damage: Callable[[Path, Path], None]
) -> None:
    """Missing, torn, of another file, claiming more than there is: nothing of it is used, no wrong byte is published."""
    url = model_host.put("/a", FILE, Slow(20e6))
    assert await bench.interrupted(url, 9 * MIB) > 0
    damage(bench.state, bench.part)
    model_host.put("/a", FILE)
    fetched = await bench.fetch(url)
    assert fetched.resumed_from == 0
    assert await bench.holds(FILE)
    assert bench.leftovers == []


async def test_bytes_that_rotted_on_the_disk_are_found_by_the_checksum(bench: Workbench, model_host: ModelHost) -> None:
    """The hash covers what an earlier run left: it is read again from the disk."""
    url = model_host.put("/a", FILE, Slow(20e6))
    assert await bench.interrupted(url, 9 * MIB, sha256=FILE.sha256) > 0
    with bench.part.open("r+b") as part:
        part.seek(MIB)
        part.write(b"rotten")
    model_host.put("/a", FILE)
    fetched = await bench.fetch(url, sha256=FILE.sha256)
    assert fetched.restarts == 1
    assert await bench.holds(FILE)


def test_a_taken_name_survives_the_last_step(tmp_path: Path) -> None:
    """The rename itself refuses to overwrite."""
    part, destination = tmp_path / "a.part", tmp_path / "a"
    part.write_bytes(b"new")
    destination.write_bytes(b"old")
    with pytest.raises(DestinationTaken):
        publish(part, destination, replace=False)
    assert destination.read_bytes() == b"old"
    assert part.exists()
    publish(part, destination, replace=True)
    assert destination.read_bytes() == b"new"
