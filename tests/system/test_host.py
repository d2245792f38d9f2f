"""The machine is measured as it is: limits of a container count, and what is unknown is said to be unknown."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from backend.events import Hub
from backend.system import HostProbe, disks_of, report_host, sample_host
from backend.system.cgroup import Cgroup, CpuShare, MemoryShare
from backend.system.gpus import GpuReader

GIB = 1024**3


@pytest.fixture
def no_cgroup(tmp_path: Path) -> Cgroup:
    """A machine without any limit."""
    return Cgroup(tmp_path / "no cgroup", tmp_path / "no membership")


@pytest.fixture
def nvidia_smi(tmp_path: Path) -> Callable[[str], Path]:
    """Make a program that behaves like nvidia-smi; it counts its runs in ``runs``."""

    def make(body: str) -> Path:
        program = tmp_path / "nvidia-smi"
        program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/runs\n{body}\n')
        program.chmod(0o755)
        return program

    return make


def write_files(root: Path, **contents: str) -> None:
    for name, content in contents.items():
        file = root / name.replace("__", "/").replace("_dot_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content + "\n")


# The whole sample


def test_a_sample_is_complete_and_json(tmp_path: Path) -> None:
    """Everything has a value or a reason, and all of it can be sent."""
    sample = sample_host([tmp_path, tmp_path])
    shape = json.loads(json.dumps(sample.as_dict()))

    assert shape["memory"]["total_bytes"] >= shape["memory"]["used_bytes"] > 0
    assert 0 < shape["process"]["memory_bytes"] < shape["memory"]["total_bytes"]
    assert shape["uptime_s"] >= shape["process"]["uptime_s"] >= 0
    assert shape["cpu"]["percent"] is not None or shape["cpu"]["reason"]
    assert shape["gpus"] or shape["gpu_reason"]
    assert len(shape["disks"]) == 1


def test_load_is_unknown_first_and_then_measured(no_cgroup: Cgroup) -> None:
    """A percentage needs two looks; work between them shows."""
    probe = HostProbe(no_cgroup)
    first = probe.sample([]).cpu
    assert first.percent is None
    assert first.reason is not None
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        pass
    second = probe.sample([]).cpu

    assert second.percent is not None
    assert 0 < second.percent <= 100
    assert second.reason is None
    assert second.scope == "machine"
    assert probe.sample([]).cpu.percent == second.percent  # a moment later the same answer, not noise


# Containers


def test_limits_of_cgroup_v2_count(tmp_path: Path) -> None:
    """Two and a half processors and 4 GiB of a bigger machine; droppable caches are not in use."""
    root = tmp_path / "cgroup"
    write_files(
        root,
        cgroup_dot_controllers="cpu memory",
        memory_dot_max=str(GIB),
        memory_dot_current=str(600 * 1024**2),
        memory_dot_stat=f"anon 1\ninactive_file {100 * 1024**2}\n",
        cpu_dot_max="250000 100000",
        cpu_dot_stat="usage_usec 3000000\nuser_usec 1",
    )
    write_files(tmp_path, membership="0::/")
    cgroup = Cgroup(root, tmp_path / "membership")

    assert cgroup.memory() == MemoryShare(GIB, 500 * 1024**2)
    assert cgroup.cpu() == CpuShare(2.5, 3.0)
    memory = HostProbe(cgroup).sample([]).memory
    assert (memory.total_bytes, memory.used_bytes, memory.scope) == (GIB, 500 * 1024**2, "container")
    assert memory.available_bytes == GIB - memory.used_bytes


def test_the_tightest_limit_on_the_way_up_counts(tmp_path: Path) -> None:
    """Groups lie in each other, and the kernel applies them all."""
    root = tmp_path / "cgroup"
    write_files(
        root,
        cgroup_dot_controllers="cpu memory",
        pod__memory_dot_max=str(2 * GIB),
        pod__memory_dot_current="2000",
        pod__cpu_dot_max="max 100000",
        pod__box__memory_dot_max="max",
        pod__box__memory_dot_current="1000",
        pod__box__cpu_dot_max="50000 100000",
        pod__box__cpu_dot_stat="usage_usec 7",
    )
    write_files(tmp_path, membership="0::/pod/box")
    cgroup = Cgroup(root, tmp_path / "membership")

    assert cgroup.memory() == MemoryShare(2 * GIB, 2000)
    assert cgroup.cpu() == CpuShare(0.5, 7e-6)


def test_limits_of_cgroup_v1_count(tmp_path: Path) -> None:
    """The older interface, also where the group's own folder is hidden by the container."""
    root = tmp_path / "cgroup"
    write_files(
        root,
        memory__memory_dot_limit_in_bytes=str(3 * GIB),
        memory__memory_dot_usage_in_bytes="5000",
        memory__memory_dot_stat="total_inactive_file 1000",
        cpu__cpu_dot_cfs_quota_us="150000",
        cpu__cpu_dot_cfs_period_us="100000",
        cpuacct__cpuacct_dot_usage="2500000000",
    )
    write_files(tmp_path, membership="4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n0::/")
    cgroup = Cgroup(root, tmp_path / "membership")

    assert cgroup.memory() == MemoryShare(3 * GIB, 4000)
    assert cgroup.cpu() == CpuShare(1.5, 2.5)


def test_without_a_limit_the_machine_counts(tmp_path: Path, no_cgroup: Cgroup) -> None:
    """No group, an unlimited one and one wider than the machine are all the machine."""
    root = tmp_path / "cgroup"
    write_files(
        root,
        cgroup_dot_controllers="cpu memory",
        memory_dot_max=str(1024**5),
        memory_dot_current="1",
        cpu_dot_max="max 100000",
    )
    write_files(tmp_path, membership="0::/")
    wide = Cgroup(root, tmp_path / "membership")

    assert no_cgroup.memory() is None
    assert no_cgroup.cpu() is None
    assert wide.cpu() is None
    for cgroup in (wide, no_cgroup):
        memory = HostProbe(cgroup).sample([]).memory
        assert (memory.total_bytes, memory.scope) == (psutil.virtual_memory().total, "machine")


def test_the_load_of_a_container_is_of_its_own_processors(tmp_path: Path) -> None:
    """Half of the allowed time used is 50 %, however big the machine is."""
    root = tmp_path / "cgroup"
    write_files(root, cgroup_dot_controllers="cpu", cpu_dot_max="10000 100000", cpu_dot_stat="usage_usec 1000000")
    write_files(tmp_path, membership="0::/")
    probe = HostProbe(Cgroup(root, tmp_path / "membership"))
    assert probe.sample([]).cpu.percent is None
    begin = time.monotonic()
    while time.monotonic() - begin < 0.3:
        pass
    write_files(root, cpu_dot_stat="usage_usec 1015000")  # 15 ms of the 30 ms that were allowed
    cpu = probe.sample([]).cpu

    assert (cpu.cores, cpu.scope) == (0.1, "container")
    assert cpu.percent is not None
    assert 15 < cpu.percent <= 51


# Disks


def test_folders_of_one_volume_are_one_disk(tmp_path: Path) -> None:
    """Used and free are those of the file system; a missing folder is said to be missing."""
    (tmp_path / "a").mkdir()
    disk, missing = disks_of([tmp_path, tmp_path / "a", tmp_path / "nothing"])
    real = os.statvfs(tmp_path)

    assert disk.paths == (str(tmp_path), str(tmp_path / "a"))
    assert Path(disk.mount).is_mount()
    assert disk.total_bytes == real.f_blocks * real.f_frsize
    assert disk.reason is None
    assert (missing.paths, missing.total_bytes, missing.free_bytes) == ((str(tmp_path / "nothing"),), None, None)
    assert "No such file" in (missing.reason or "")


def test_another_volume_is_another_disk(tmp_path: Path) -> None:
    """Even a virtual one."""
    disks = disks_of([tmp_path, Path("/proc")])

    assert [disk.mount for disk in disks][1] == "/proc"


# Graphics cards


def test_cards_are_read_and_unknown_values_stay_unknown(nvidia_smi: Callable[[str], Path], tmp_path: Path) -> None:
    """Two cards, one of which tells little; the answer is shared for two seconds."""
    program = nvidia_smi(
        'echo "0, NVIDIA H100 80GB HBM3, 570.86, 81559, 4312, 37, 41, 121.53"\n'
        'echo "1, NVIDIA GB10, [N/A], [N/A], [N/A], [Not Supported], 50, [N/A]"'
    )
    reader = GpuReader(str(program))
    answer = reader.read()
    reader.read()
    first, second = answer.gpus

    assert answer.reason is None
    assert (first.index, first.name, first.driver) == (0, "NVIDIA H100 80GB HBM3", "570.86")
    assert (first.memory_total_bytes, first.memory_used_bytes) == (81559 * 1024**2, 4312 * 1024**2)
    assert (first.utilization_percent, first.temperature_c, first.power_w) == (37.0, 41.0, 121.53)
    assert (second.memory_total_bytes, second.utilization_percent, second.driver) == (None, None, None)
    assert second.temperature_c == 50.0
    runs = (tmp_path / "runs").read_text().splitlines()
    assert len(runs) == 1
    assert "--format=csv,noheader,nounits" in runs[0]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            "echo 'NVIDIA-SMI has failed because it could not communicate with the driver.'; exit 9",
            "ended with 9: NVIDIA",
        ),
        ("exit 6", "ended with 6: no output"),
        ("echo No devices were found", "lists no card"),
        ("exec sleep 30", "did not answer within 0.3 seconds"),
    ],
)
def test_a_driver_in_trouble_is_named_and_left_alone(
    nvidia_smi: Callable[[str], Path], tmp_path: Path, body: str, reason: str
) -> None:
    """The reason is told, and for a minute nobody asks again."""
    reader = GpuReader(str(nvidia_smi(body)), timeout_s=0.3)
    answer, again = reader.read(), reader.read()

    assert answer == again
    assert answer.gpus == ()
    assert reason in (answer.reason or "")
    assert len((tmp_path / "runs").read_text().splitlines()) == 1


def test_no_driver_is_no_error(tmp_path: Path, no_cgroup: Cgroup) -> None:
    """A machine without a card says so in words."""
    sample = HostProbe(no_cgroup, GpuReader(str(tmp_path / "absent"))).sample([])

    assert sample.gpus == ()
    assert "not installed" in (sample.gpu_reason or "")


# Telling


@pytest.mark.anyio
async def test_samples_are_made_only_while_somebody_listens() -> None:
    """Nobody there: no measuring. A listener: at once, then again and again; gone: it stops."""
    hub, measured = Hub(), 0

    async def measure() -> dict[str, object]:
        nonlocal measured
        measured += 1
        if measured == 2:
            raise OSError("a disk went away")
        return {"disks": [{"mount": "/", "free_bytes": 1 if measured < 4 else 2}]}

    reporter = asyncio.create_task(report_host(hub, measure, every_s=0.01))  # type: ignore[arg-type]
    try:
        await asyncio.sleep(0.05)
        assert measured == 0
        with hub.subscribe(["system"]) as subscription:
            for _ in range(3):
                (heard,) = await asyncio.wait_for(subscription.next(), 5)
                assert heard.event.type == "system.sample"
        await asyncio.sleep(0.05)
        before = measured
        await asyncio.sleep(0.05)
        assert measured == before >= 4
    finally:
        reporter.cancel()
        await asyncio.wait([reporter])


@pytest.mark.anyio
async def test_disks_are_told_when_they_changed() -> None:
    """A listener of the storage hears each change once, not every look."""
    hub, free = Hub(), [1, 1, 1, 2, 2, 3, 3]
    heard: list[object] = []

    async def measure() -> dict[str, object]:
        return {"disks": [{"free_bytes": free.pop(0) if len(free) > 1 else free[0]}]}

    with hub.subscribe(["storage"]) as subscription:
        reporter = asyncio.create_task(report_host(hub, measure, every_s=0))  # type: ignore[arg-type]
        try:
            while not heard or heard[-1] != 3:
                told = await asyncio.wait_for(subscription.next(), 5)
                heard += [numbered.event.data["items"][0]["free_bytes"] for numbered in told]  # type: ignore[index, call-overload]
        finally:
            reporter.cancel()
            await asyncio.wait([reporter])

    assert heard == sorted(set(heard))  # type: ignore[type-var]
