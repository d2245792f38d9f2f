"""What a sound host's file goes through: pieces, checks, its name; and what is there already."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from backend.downloads.errors import ChecksumMismatch, DestinationTaken, EngineStopped, SizeMismatch
from backend.downloads.transfer import Meter, Phase, Wanted, discard_partial
from backend.sources import RemoteFile
from tests.downloads.transfer.workbench import MIB, Workbench, until
from tests.fakes.content import Content
from tests.fakes.model_host import Delay, ModelHost, Slow

pytestmark = pytest.mark.anyio

FILE = Content.safetensors(30 * MIB + 77, seed=1)


async def test_a_file_arrives_whole_and_verified(bench: Workbench, model_host: ModelHost) -> None:
    """The promised checksum is compared, the result tells it, and nothing stays beside the file."""
    url = model_host.put("/a", FILE)
    fetched = await bench.fetch(url, sha256=FILE.sha256, size_bytes=FILE.size)
    assert await bench.holds(FILE)
    assert bench.leftovers == []
    assert (fetched.path, fetched.size_bytes, fetched.sha256) == (bench.destination, FILE.size, FILE.sha256)
    assert fetched.verified
    assert fetched.source_url == url
    assert (fetched.resumed_from, fetched.fetched_bytes, fetched.restarts) == (0, FILE.size, 0)
    meter = bench.meter
    assert meter.phase is Phase.PUBLISHING
    assert meter.revision == "r1"
    assert meter.bytes_total == meter.bytes_done == meter.bytes_verified == FILE.size


async def test_tls_is_verified_with_the_given_authority(tmp_path: Path, tls_model_host: ModelHost) -> None:
    """A host with a certificate of the authority is believed."""
    url = tls_model_host.put("/a", FILE)
    async with Workbench(tmp_path, {"cafile": tls_model_host.cafile}) as bench:
        fetched = await bench.fetch(url)
    assert fetched.sha256 == FILE.sha256
    assert not fetched.verified
    assert await bench.holds(FILE)


@pytest.mark.parametrize("size", [200, MIB - 1, MIB, MIB + 1, 4 * MIB, 4 * MIB + 1])
async def test_sizes_around_the_edges_of_blocks_and_pieces(bench: Workbench, model_host: ModelHost, size: int) -> None:
    """No size loses a byte."""
    content = Content.safetensors(size, seed=size)
    await bench.fetch(model_host.put("/a", content), sha256=content.sha256)
    assert await bench.holds(content)


async def test_a_host_that_limits_each_connection_gets_more_of_them(bench: Workbench, model_host: ModelHost) -> None:
    """Connections are added as long as they pay, and remembered for the next file of that host."""
    url = model_host.put("/a", Content.safetensors(40 * MIB, seed=3), Slow(5e6))
    await bench.fetch(url)
    assert len({seen.connection for seen in model_host.requests}) > 2


async def test_a_checksum_of_the_hub_counts_as_a_promise(bench: Workbench, model_host: ModelHost) -> None:
    """What the source found out is compared like what the caller promised."""
    fetched = await bench.fetch(model_host.put("/a", FILE), hub_sha256=FILE.sha256, content_addressed=True)
    assert fetched.verified


async def test_contradicting_promises_end_before_the_first_byte(bench: Workbench, model_host: ModelHost) -> None:
    """A hub that has another checksum has another file: nothing is fetched for it."""
    with pytest.raises(ChecksumMismatch):
        await bench.fetch(model_host.put("/a", FILE), hub_sha256="0" * 64, sha256=FILE.sha256)
    assert model_host.requests == []


async def test_another_size_than_promised_is_refused(bench: Workbench, model_host: ModelHost) -> None:
    """The first answer tells the size; nothing is left of the attempt."""
    with pytest.raises(SizeMismatch) as refused:
        await bench.fetch(model_host.put("/a", FILE), size_bytes=FILE.size + 1)
    assert refused.value.details == {"expected_bytes": FILE.size + 1, "actual_bytes": FILE.size}
    assert bench.leftovers == []


async def test_a_cancelled_transfer_goes_on_where_it_stopped(bench: Workbench, model_host: ModelHost) -> None:
    """What arrived is durable at once, also the part that the state had not claimed yet."""
    content = Content.safetensors(24 * MIB, seed=4)
    url = model_host.put("/a", content, Slow(6e6))
    durable = await bench.interrupted(url, 9 * MIB)
    assert durable >= 8 * MIB
    assert not bench.destination.exists()
    model_host.put("/a", content)
    fetched = await bench.fetch(url)
    assert await bench.holds(content)
    assert bench.leftovers == []
    assert fetched.resumed_from == durable
    assert fetched.fetched_bytes == content.size - durable


async def test_a_finished_part_needs_no_further_byte(bench: Workbench, model_host: ModelHost) -> None:
    """A crash between the last byte and the name costs only the reading."""
    url = model_host.put("/a", FILE, Slow(40e6))
    await bench.interrupted(url, 20 * MIB, sha256=FILE.sha256)
    state = json.loads(bench.state.read_text())
    FILE.write_to(bench.part)
    bench.state.write_text(json.dumps({**state, "ranges": [[0, FILE.size]]}))
    model_host.forget()
    fetched = await bench.fetch(url, sha256=FILE.sha256)
    assert model_host.requests == []
    assert fetched.resumed_from == FILE.size
    assert fetched.verified
    assert await bench.holds(FILE)


async def test_the_partial_file_can_be_asked_for_and_thrown_away(bench: Workbench, model_host: ModelHost) -> None:
    """Durable bytes are told cheaply; after discarding nothing is there."""
    assert await bench.durable_bytes() is None
    durable = await bench.interrupted(model_host.put("/a", FILE, Slow(20e6)), 8 * MIB)
    assert 0 < durable <= FILE.size
    assert await bench.durable_bytes() == durable
    for _ in range(2):
        await asyncio.to_thread(discard_partial, bench.destination)
        assert await bench.durable_bytes() is None
        assert bench.leftovers == []


async def test_the_same_file_is_not_fetched_again(bench: Workbench, model_host: ModelHost) -> None:
    """A destination with the promised content is reported as verified."""
    bench.destination.parent.mkdir()
    FILE.write_to(bench.destination)
    fetched = await bench.fetch(model_host.put("/a", FILE), sha256=FILE.sha256)
    assert fetched.verified
    assert fetched.fetched_bytes == 0
    assert model_host.requests == []


@pytest.mark.parametrize("promise", [FILE.sha256, None])
async def test_a_taken_name_is_never_overwritten_silently(
    bench: Workbench, model_host: ModelHost, promise: str | None
) -> None:
    """Another content keeps its name; so does any content when nothing was promised."""
    bench.destination.parent.mkdir()
    bench.destination.write_bytes(b"the user's own")
    with pytest.raises(DestinationTaken):
        await bench.fetch(model_host.put("/a", FILE), sha256=promise)
    assert bench.destination.read_bytes() == b"the user's own"
    assert model_host.requests == []


async def test_a_damaged_file_is_replaced_only_by_a_verified_one(bench: Workbench, model_host: ModelHost) -> None:
    """The old file has its name until the new one is whole."""
    bench.destination.parent.mkdir()
    bench.destination.write_bytes(b"damaged")
    url = model_host.put("/a", FILE, Slow(20e6))
    await bench.interrupted(url, 8 * MIB, sha256=FILE.sha256, replace=True)
    assert bench.destination.read_bytes() == b"damaged"
    await bench.fetch(url, sha256=FILE.sha256, replace=True)
    assert await bench.holds(FILE)
    assert bench.leftovers == []


async def test_a_file_that_appears_meanwhile_is_kept(bench: Workbench, model_host: ModelHost) -> None:
    """The last step never overwrites a name that was free at the first."""
    url = model_host.put("/a", FILE, Slow(20e6))
    task = asyncio.ensure_future(bench.fetch(url))
    await until(lambda: bench.meter.bytes_done > 8 * MIB)
    bench.destination.write_bytes(b"somebody was faster")
    with pytest.raises(DestinationTaken):
        await task
    assert bench.destination.read_bytes() == b"somebody was faster"


async def test_a_folder_in_the_place_of_the_file_is_refused(bench: Workbench, model_host: ModelHost) -> None:
    """Also for replacing: a folder is never what is damaged."""
    bench.destination.mkdir(parents=True)
    with pytest.raises(DestinationTaken):
        await bench.fetch(model_host.put("/a", FILE), sha256=FILE.sha256, replace=True)


async def test_two_requests_for_one_file_fetch_it_once(bench: Workbench, model_host: ModelHost) -> None:
    """The second waits for the first, then finds its file."""
    url = model_host.put("/a", FILE, Delay(0.1))
    first, second = await asyncio.gather(
        bench.fetch(url, sha256=FILE.sha256, meter=Meter()), bench.fetch(url, sha256=FILE.sha256, meter=Meter())
    )
    assert sorted([first.fetched_bytes, second.fetched_bytes]) == [0, FILE.size]
    assert await bench.holds(FILE)
    assert bench.leftovers == []


async def test_another_process_that_fetches_the_same_file_is_not_disturbed(
    bench: Workbench, model_host: ModelHost, tmp_path: Path
) -> None:
    """The part is locked: a second engine says so instead of writing into it."""
    url = model_host.put("/a", FILE, Slow(10e6))
    task = asyncio.ensure_future(bench.fetch(url))
    await until(lambda: bench.meter.bytes_done > MIB)
    async with Workbench(tmp_path) as other:
        with pytest.raises(DestinationTaken):
            await other.fetch(url)
    await task
    assert await bench.holds(FILE)


async def test_four_files_at_once_all_arrive(bench: Workbench, model_host: ModelHost) -> None:
    """Transfers share the pump, the threads and the host without mixing a byte."""
    contents = [Content.safetensors(12 * MIB + n, seed=n) for n in range(4)]
    places = [bench.folder / "models" / f"{n}.safetensors" for n in range(4)]
    await asyncio.gather(
        *(
            bench.fetch(model_host.put(f"/{n}", content), destination=places[n], sha256=content.sha256, meter=Meter())
            for n, content in enumerate(contents)
        )
    )
    assert [await bench.holds(content, place) for content, place in zip(contents, places, strict=True)] == [True] * 4


async def test_the_file_is_readable_by_others(bench: Workbench, model_host: ModelHost) -> None:
    """ComfyUI may run as another user."""
    await bench.fetch(model_host.put("/a", FILE))
    assert os.stat(bench.destination).st_mode & 0o444 == 0o444


async def test_a_stopped_engine_says_so(tmp_path: Path, model_host: ModelHost) -> None:
    """Transfers under way end with an error that names the reason and keep what arrived; later ones do not begin."""
    url = model_host.put("/a", FILE, Slow(5e6))
    async with Workbench(tmp_path) as bench:
        task = asyncio.ensure_future(bench.fetch(url))
        await until(lambda: bench.meter.bytes_done > MIB)
    with pytest.raises(EngineStopped):
        await task
    assert (await bench.durable_bytes() or 0) >= MIB

    async def resolve() -> RemoteFile:
        return bench.remote(url)

    with pytest.raises(EngineStopped):
        await bench.engine.fetch(Wanted(bench.destination, resolve), Meter())
    assert not bench.engine.is_running
