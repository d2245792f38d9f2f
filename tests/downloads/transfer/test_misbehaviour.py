"""Each way in which hosts misbehave: the file arrives whole anyway, or an error names what is wrong and nothing is published."""

from __future__ import annotations

import pytest

from backend.downloads.errors import (
    BadAnswer,
    ChecksumMismatch,
    ConnectionFailed,
    ConnectionLost,
    SizeMismatch,
    Stalled,
)
from backend.sources import SourceError
from tests.downloads.transfer.workbench import MIB, Workbench
from tests.fakes.content import Content
from tests.fakes.faults import Fault
from tests.fakes.model_host import (
    ChangingEtag,
    Chunked,
    ClosesConnection,
    FlippedByte,
    Gzipped,
    Hangup,
    MaxConnections,
    ModelHost,
    NoValidator,
    RangeIgnored,
    RangeRefused,
    Replaced,
    Reset,
    ShortBody,
    Slow,
    Stall,
    WeakEtag,
    WrongOffset,
    too_many,
    unavailable,
)

pytestmark = pytest.mark.anyio

FILE = Content.safetensors(20 * MIB + 5, seed=1)
OTHER = Content.safetensors(20 * MIB + 5, seed=2)
NOTHING = (NoValidator(),)


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param((ShortBody(2 * MIB, first=2, times=2),), id="short body"),
        pytest.param((ShortBody(0, times=2),), id="head without a body"),
        pytest.param((Reset(3 * MIB, times=2),), id="reset in the middle"),
        pytest.param((Hangup(times=2),), id="no answer at all"),
        pytest.param((Stall(3 * MIB, first=2, times=1),), id="stall with an open socket"),
        pytest.param((too_many(2),), id="429"),
        pytest.param((unavailable(2),), id="503"),
        pytest.param((MaxConnections(2), Slow(8e6)), id="429 above two connections"),
        pytest.param((MaxConnections(2, status=503), Slow(8e6)), id="503 above two connections"),
        pytest.param((ChangingEtag(first=2),), id="ETag differs with every answer"),
        pytest.param((NoValidator(),), id="no validator"),
        pytest.param((NoValidator(), Reset(3 * MIB, times=3)), id="no validator and cut"),
        pytest.param((WeakEtag(),), id="weak ETag"),
        pytest.param((WeakEtag(), Reset(3 * MIB, times=3)), id="weak ETag and cut"),
        pytest.param((RangeIgnored(),), id="range ignored"),
        pytest.param((RangeIgnored(), ShortBody(9 * MIB, times=2)), id="range ignored and cut"),
        pytest.param((WrongOffset(100, first=2),), id="wrong offset"),
        pytest.param((WrongOffset(100),), id="wrong offset from the start"),
        pytest.param((RangeRefused(first=2),), id="416 for every later range"),
        pytest.param((RangeRefused(),), id="416 for every range"),
        pytest.param((Chunked(),), id="chunked"),
        pytest.param((RangeIgnored(), Chunked()), id="chunked without a length"),
        pytest.param((RangeIgnored(), Chunked(), Reset(9 * MIB, times=2)), id="chunked without a length and cut"),
        pytest.param((Gzipped(times=2),), id="gzip twice"),
        pytest.param((ClosesConnection(),), id="no keep-alive"),
        pytest.param((FlippedByte(9 * MIB, times=3),), id="a flipped byte at first"),
    ],
)
@pytest.mark.parametrize("promised", [True, False], ids=["checksum", "no checksum"])
async def test_the_file_arrives_whole_in_spite_of(
    bench: Workbench, model_host: ModelHost, faults: tuple[Fault, ...], promised: bool
) -> None:
    """What passes, or can be worked around, costs time and never a byte."""
    if not promised and isinstance(faults[0], FlippedByte):
        pytest.skip("nobody can know")
    fetched = await bench.fetch(model_host.put("/a", FILE, *faults), sha256=FILE.sha256 if promised else None)
    assert await bench.holds(FILE)
    assert bench.leftovers == []
    assert fetched.sha256 == FILE.sha256
    assert fetched.verified is promised


async def test_retry_after_is_honoured(bench: Workbench, model_host: ModelHost) -> None:
    """The host is not asked again before the time it named, and the meter tells how long that is."""
    url = model_host.put("/a", FILE, too_many(1, retry_after=1))
    await bench.fetch(url)
    first, second = model_host.requests_of("/a")[:2]
    assert 1.0 <= second.started_at - first.started_at < 2.0


async def test_a_date_in_retry_after_is_measured_by_the_clock_of_the_host(
    bench: Workbench, model_host: ModelHost
) -> None:
    """A wrong clock on either side changes nothing when the host tells its own time."""
    fault = too_many(1, retry_after="Tue, 03 Nov 2015 10:00:01 GMT")
    fault.headers["Date"] = "Tue, 03 Nov 2015 10:00:00 GMT"
    await bench.fetch(model_host.put("/a", FILE, fault))
    first, second = model_host.requests_of("/a")[:2]
    assert 1.0 <= second.started_at - first.started_at < 2.0


async def test_a_pause_longer_than_patience_is_handed_on(bench: Workbench, model_host: ModelHost) -> None:
    """An hour is not waited for in here: the error tells the queue when to come back."""
    with pytest.raises(SourceError) as limited:
        await bench.fetch(model_host.put("/a", FILE, too_many(None, retry_after=3600)))
    assert limited.value.retry_after_s == 3600
    assert len(model_host.requests) == 1


@pytest.mark.parametrize(
    ("faults", "error"),
    [
        pytest.param((Reset(100_000),), ConnectionLost, id="cut again and again"),
        pytest.param((ShortBody(100_000),), ConnectionLost, id="short again and again"),
        pytest.param((Hangup(),), ConnectionLost, id="never an answer"),
        pytest.param((Stall(0),), Stalled, id="silence"),
        pytest.param((Gzipped(),), BadAnswer, id="always gzip"),
        pytest.param((unavailable(None),), SourceError, id="always 503"),
        pytest.param((too_many(None),), SourceError, id="always 429"),
        pytest.param((RangeIgnored(), ShortBody(9 * MIB)), ConnectionLost, id="a stream that never ends well"),
    ],
)
async def test_what_does_not_pass_is_named_after_the_retries(
    bench: Workbench, model_host: ModelHost, faults: tuple[Fault, ...], error: type[Exception]
) -> None:
    """Failures without progress are tried again as often as was said, then named; nothing is published."""
    with pytest.raises(error) as failed:
        await bench.fetch(model_host.put("/a", FILE, *faults))
    assert getattr(failed.value, "retryable", False)
    assert 3 <= bench.meter.attempts <= 8
    assert not bench.destination.exists()


async def test_progress_makes_new_retries(bench: Workbench, model_host: ModelHost) -> None:
    """A line that breaks every two mebibytes brings a file of twenty with three retries."""
    fetched = await bench.fetch(model_host.put("/a", FILE, ShortBody(2 * MIB)))
    assert fetched.attempts > 3
    assert fetched.restarts == 0
    assert await bench.holds(FILE)


async def test_a_host_that_is_not_there_is_named(bench: Workbench) -> None:
    """Nobody listens: the error says so and may be tried later."""
    with pytest.raises(ConnectionFailed, match=r"127\.0\.0\.1:9"):
        await bench.fetch("http://127.0.0.1:9/a")
    assert bench.meter.attempts == 4
    assert bench.leftovers == []


async def test_what_arrived_before_a_failure_is_kept(bench: Workbench, model_host: ModelHost) -> None:
    """An error is no reason to throw away what is right."""
    with pytest.raises(ConnectionLost):
        await bench.fetch(model_host.put("/a", FILE, ShortBody(3 * MIB, times=1), Hangup(first=2)))
    durable = await bench.durable_bytes()
    assert durable == 3 * MIB
    model_host.put("/a", FILE)
    assert (await bench.fetch(model_host.url("/a"))).resumed_from == durable
    assert await bench.holds(FILE)


@pytest.mark.parametrize("honoured", [True, False], ids=["If-Range honoured", "If-Range ignored"])
@pytest.mark.parametrize("promised", [True, False], ids=["checksum", "no checksum"])
async def test_a_file_replaced_between_two_runs_is_fetched_anew(
    bench: Workbench, model_host: ModelHost, honoured: bool, promised: bool
) -> None:
    """Parts of two versions are never joined."""
    url = model_host.put("/a", FILE, Slow(20e6))
    assert await bench.interrupted(url, 9 * MIB) > 0
    model_host.put("/a", FILE, Replaced(OTHER, if_range_honoured=honoured))
    fetched = await bench.fetch(url, sha256=OTHER.sha256 if promised else None)
    assert await bench.holds(OTHER)
    assert fetched.restarts >= 1


@pytest.mark.parametrize("honoured", [True, False], ids=["If-Range honoured", "If-Range ignored"])
async def test_a_file_replaced_during_the_transfer_is_fetched_anew(
    bench: Workbench, model_host: ModelHost, honoured: bool
) -> None:
    """The first answer after the change shows it."""
    url = model_host.put("/a", FILE, Replaced(OTHER, if_range_honoured=honoured, first=2))
    fetched = await bench.fetch(url)
    assert await bench.holds(OTHER)
    assert fetched.restarts == 1


async def test_a_file_replaced_after_a_cut_is_fetched_anew(bench: Workbench, model_host: ModelHost) -> None:
    """The line breaks and the file changes at the same moment."""
    url = model_host.put("/a", FILE, Reset(3 * MIB, times=1), Replaced(OTHER, first=2))
    await bench.fetch(url)
    assert await bench.holds(OTHER)


@pytest.mark.parametrize("fault", [NoValidator(), WeakEtag()], ids=["no validator", "weak ETag"])
async def test_without_proof_a_replaced_file_is_noticed_by_its_bytes(
    bench: Workbench, model_host: ModelHost, fault: Fault
) -> None:
    """Same length, nothing to tell the versions apart: the bytes on the disk are compared with the host's."""
    url = model_host.put("/a", FILE, fault, Slow(20e6))
    assert await bench.interrupted(url, 9 * MIB) > 0
    model_host.put("/a", OTHER, fault)
    await bench.fetch(url)
    assert await bench.holds(OTHER)
    model_host.put("/b", FILE, Replaced(OTHER, first=2), fault)
    other = bench.folder / "models" / "b.safetensors"
    await bench.fetch(model_host.url("/b"), destination=other)
    assert await bench.holds(OTHER, other)


@pytest.mark.parametrize("fault", [NoValidator(), WeakEtag()], ids=["no validator", "weak ETag"])
async def test_without_proof_an_unchanged_file_goes_on(bench: Workbench, model_host: ModelHost, fault: Fault) -> None:
    """The comparison costs two mebibytes instead of everything that is there."""
    url = model_host.put("/a", FILE, fault, Slow(20e6))
    durable = await bench.interrupted(url, 12 * MIB)
    model_host.put("/a", FILE, fault)
    model_host.forget()
    fetched = await bench.fetch(url)
    assert await bench.holds(FILE)
    assert fetched.resumed_from == durable
    assert fetched.restarts == 0
    assert model_host.bytes_sent <= FILE.size - durable + 2 * MIB


async def test_a_file_that_grows_is_fetched_as_it_is_at_last(bench: Workbench, model_host: ModelHost) -> None:
    """An upload that is still going on: the length changes between two answers."""
    grown = Content.random(22 * MIB, seed=3)
    url = model_host.put("/a", Content.random(20 * MIB, seed=3), Replaced(grown, first=2, if_range_honoured=False))
    destination = bench.folder / "models" / "file.bin"
    fetched = await bench.fetch(url, destination=destination)
    assert await bench.holds(grown, destination)
    assert fetched.restarts == 1


async def test_a_file_that_changes_with_every_answer_comes_in_one_stream(
    bench: Workbench, model_host: ModelHost
) -> None:
    """After two vain attempts the file is taken in one answer, which is one version."""
    versions = [Content.safetensors(9 * MIB + n, seed=n) for n in range(1, 12)]
    changes = [Replaced(version, first=n) for n, version in enumerate(versions, 1)]
    fetched = await bench.fetch(model_host.put("/a", versions[0], *changes))
    assert fetched.sha256 in {version.sha256 for version in versions}
    assert bench.leftovers == []
    assert model_host.requests[-1].range is None
    assert fetched.restarts <= 3


async def test_differing_etags_of_one_hub_do_not_matter(bench: Workbench, model_host: ModelHost) -> None:
    """Nodes of a delivery network disagree about ETags; the hub's checksum decides."""
    url = model_host.put("/a", FILE, ChangingEtag(), Slow(20e6))
    durable = await bench.interrupted(url, 9 * MIB, hub_sha256=FILE.sha256, content_addressed=True)
    fetched = await bench.fetch(url, hub_sha256=FILE.sha256, content_addressed=True)
    assert fetched.restarts == 0
    assert fetched.resumed_from == durable > 0
    assert fetched.verified


async def test_a_flipped_byte_is_fetched_again_once_and_then_named(bench: Workbench, model_host: ModelHost) -> None:
    """One accident is repaired; a host that lies twice is named, and its bytes are thrown away."""
    url = model_host.put("/a", FILE, FlippedByte(9 * MIB))
    with pytest.raises(ChecksumMismatch) as wrong:
        await bench.fetch(url, sha256=FILE.sha256)
    assert wrong.value.details["expected_sha256"] == FILE.sha256
    assert not wrong.value.retryable
    assert bench.meter.restarts == 1
    assert bench.leftovers == []
    assert not bench.destination.exists()


async def test_a_stream_shorter_than_promised_is_not_the_file(bench: Workbench, model_host: ModelHost) -> None:
    """Chunked coding hides the length; the promise does not."""
    url = model_host.put("/a", FILE, RangeIgnored(), Chunked())
    with pytest.raises(ConnectionLost):
        await bench.fetch(url, size_bytes=FILE.size + 1)
    with pytest.raises(SizeMismatch):
        await bench.fetch(url, size_bytes=FILE.size - 1)
    assert not bench.destination.exists()


async def test_an_empty_answer_is_not_a_file(bench: Workbench, model_host: ModelHost) -> None:
    """Nothing is published for a host that sends nothing."""
    with pytest.raises(BadAnswer):
        await bench.fetch(model_host.put("/a", Content.of(b"")))
    assert not bench.destination.exists()
