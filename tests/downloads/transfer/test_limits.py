"""What a transfer may take: time to stop, bandwidth, connections, memory; and how it shares with others."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from backend.downloads.transfer import Meter
from tests.downloads.transfer.workbench import MIB, Workbench, resident_bytes, until
from tests.fakes.content import Content
from tests.fakes.exchange import Exchange
from tests.fakes.faults import Fault
from tests.fakes.model_host import ModelHost, Slow, Stall

pytestmark = pytest.mark.anyio

RATE = 12e6


@dataclass
class CountsConnections(Fault):
    """Note the most answers that the host was sending at the same time, of all paths together."""

    host: ModelHost
    most: int = 0

    def apply(self, exchange: Exchange) -> None:
        self.most = max(self.most, self.host.open_answers)


async def test_cancelling_closes_the_sockets_within_100_ms(bench: Workbench, model_host: ModelHost) -> None:
    """The host sees every connection go, however slow the disk is; the best of three, as the machine is shared."""
    latencies: list[float] = []
    for number in range(3):
        url = model_host.put("/a", Content.safetensors(40 * MIB, seed=number), Slow(3e6))
        task = asyncio.ensure_future(bench.fetch(url))
        await until(lambda: bench.meter.connections >= 2)
        cancelled_at = time.monotonic()
        task.cancel()
        await asyncio.wait({task})
        await model_host.until(lambda seen: all(request.closed_at for request in seen))
        latencies.append(max(seen.closed_at or 0 for seen in model_host.requests) - cancelled_at)
    assert min(latencies) < 0.1, latencies


async def test_cancelling_a_silent_connection_closes_it_too(bench: Workbench, model_host: ModelHost) -> None:
    """Nothing needs to arrive for that, and it does not wait for the watchdog."""
    task = asyncio.ensure_future(bench.fetch(model_host.put("/a", Content.safetensors(9 * MIB), Stall(0))))
    await model_host.until(lambda seen: len(seen) == 1)
    cancelled_at = time.monotonic()
    task.cancel()
    await asyncio.wait({task})
    await model_host.until(lambda seen: all(request.closed_at for request in seen))
    assert time.monotonic() - cancelled_at < 0.8
    assert bench.leftovers == []


async def test_the_bandwidth_limit_is_kept_within_15_percent(tmp_path: Path, model_host: ModelHost) -> None:
    """One limit for all files together, shared equally."""
    async with Workbench(tmp_path, {"rate_limit_bytes_s": int(RATE)}) as bench:
        meters = [Meter(), Meter()]
        urls = [model_host.put(f"/{n}", Content.safetensors(40 * MIB, seed=n)) for n in range(2)]
        tasks = [
            asyncio.ensure_future(bench.fetch(url, destination=tmp_path / f"{n}.sft", meter=meters[n]))
            for n, url in enumerate(urls)
        ]
        await until(lambda: all(meter.bytes_done > MIB for meter in meters))
        began, before = time.monotonic(), [meter.bytes_done for meter in meters]
        await asyncio.sleep(2.0)
        passed = time.monotonic() - began
        speeds = [(meter.bytes_done - old) / passed for meter, old in zip(meters, before, strict=True)]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    assert abs(sum(speeds) / RATE - 1) < 0.15, speeds
    assert 0.6 < speeds[0] / speeds[1] < 1.7, speeds


async def test_the_limit_may_change_while_files_run(bench: Workbench, model_host: ModelHost) -> None:
    """A limit that is set meanwhile is felt at once, and so is its end."""
    url = model_host.put("/a", Content.safetensors(60 * MIB, seed=1), Slow(30e6))
    bench.engine.set_rate_limit(4_000_000)
    task = asyncio.ensure_future(bench.fetch(url))
    await until(lambda: bench.meter.bytes_done > 2 * MIB)
    began, before = time.monotonic(), bench.meter.bytes_done
    await asyncio.sleep(1.0)
    slow = (bench.meter.bytes_done - before) / (time.monotonic() - began)
    bench.engine.set_rate_limit(0)
    await task
    assert 3.2e6 < slow < 4.8e6


async def test_no_host_gets_more_connections_than_it_may(tmp_path: Path, model_host: ModelHost) -> None:
    """The limit holds over all files together; each file gets its share."""
    async with Workbench(tmp_path, {"connections_per_host": 3}) as bench:
        counter = CountsConnections(model_host)
        contents = [Content.safetensors(14 * MIB, seed=n) for n in range(4)]
        await asyncio.gather(
            *(
                bench.fetch(
                    model_host.put(f"/{n}", content, counter, Slow(10e6)),
                    destination=tmp_path / f"{n}.sft",
                    meter=Meter(),
                )
                for n, content in enumerate(contents)
            )
        )
        assert counter.most <= 3
        assert all([await bench.holds(content, tmp_path / f"{n}.sft") for n, content in enumerate(contents)])


async def test_a_slow_piece_is_taken_over(bench: Workbench, model_host: ModelHost) -> None:
    """One connection that crawls does not hold up the file: another one takes the rest of its piece."""
    content = Content.safetensors(60 * MIB, seed=1)
    url = model_host.put("/a", content, Slow(8e6), Slow(0.25e6, first=3, last=3))
    began = time.monotonic()
    await bench.fetch(url)
    assert time.monotonic() - began < 8
    assert await bench.holds(content)


async def test_memory_does_not_grow_with_the_file(tmp_path: Path, model_host: ModelHost) -> None:
    """Four files with four connections each stay below 200 MiB beside what the process had."""
    async with Workbench(tmp_path, {"connections_per_file": 4}) as bench:
        contents = [Content.safetensors(80 * MIB, seed=n) for n in range(4)]
        urls = [model_host.put(f"/{n}", content, Slow(15e6)) for n, content in enumerate(contents)]
        for content in contents:
            content.read(0, 1)
        before, most = await asyncio.to_thread(resident_bytes), 0
        tasks = [
            asyncio.ensure_future(bench.fetch(url, destination=tmp_path / f"{n}.sft", meter=Meter()))
            for n, url in enumerate(urls)
        ]
        while not all(task.done() for task in tasks):
            most = max(most, await asyncio.to_thread(resident_bytes))
            await asyncio.sleep(0.02)
        await asyncio.gather(*tasks)
    assert most - before < 200 * MIB


async def test_nothing_of_a_transfer_stays_behind(bench: Workbench, model_host: ModelHost) -> None:
    """Threads and descriptors of a file go with it, however it ended."""
    descriptors = Path("/proc/self/fd")
    url = model_host.put("/a", Content.safetensors(9 * MIB), Slow(20e6))
    await bench.fetch(url, destination=bench.folder / "warm")
    before = len(await asyncio.to_thread(lambda: list(descriptors.iterdir())))
    for number in range(5):
        await bench.fetch(url, destination=bench.folder / f"{number}")
        await bench.interrupted(url, MIB)
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name in ("download-write", "download-hash", "download-keep")]
    await model_host.until(lambda seen: all(request.closed_at for request in seen))
    after = len(await asyncio.to_thread(lambda: list(descriptors.iterdir())))
    assert after <= before + 4  # sockets of the two ends of a kept connection may come and go


async def test_the_meter_tells_what_happens(bench: Workbench, model_host: ModelHost) -> None:
    """Bytes, connections, the last byte, the pause before the next try and its reason."""
    url = model_host.put("/a", Content.safetensors(12 * MIB), Slow(8e6))
    task = asyncio.ensure_future(bench.fetch(url))
    await until(lambda: bench.meter.bytes_done > 5 * MIB)
    meter = bench.meter
    assert meter.bytes_total == 12 * MIB
    assert meter.connections >= 1
    assert time.monotonic() - meter.last_byte_at < 5
    await until(lambda: meter.bytes_verified > 0)
    await task
    assert meter.waiting_until is None
    assert meter.connections == 0


async def test_a_pause_is_shown_with_its_reason(tmp_path: Path) -> None:
    """Whoever watches sees when the host is asked again, and why not now."""
    async with Workbench(tmp_path, {"backoff_base_s": 5.0}) as bench:
        task = asyncio.ensure_future(bench.fetch("http://127.0.0.1:9/a"))
        await until(lambda: bench.meter.waiting_until is not None)
        assert 0 < (bench.meter.waiting_until or 0) - time.monotonic() <= 5
        assert "127.0.0.1:9" in (bench.meter.last_error or "")
        task.cancel()
        await asyncio.wait({task})
