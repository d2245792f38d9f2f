"""The start is told phase by phase: what the container noted, what Hearth measured, and how ComfyUI came up."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backend.kit.clock import utc_now
from backend.system import (
    ComfyUIStart,
    ComfyUIWatch,
    Part,
    StartupRecorder,
    comfyui_phases,
    container_phases,
    copy_progress,
    total_ms,
    volume_report,
)
from backend.system.bootlog import BootLog, NodeImport, Step
from backend.system.process import started_at

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def at(ms: int) -> datetime:
    return NOW + timedelta(milliseconds=ms)


def note(phase: str, started_ms: float, ended_ms: float | None, detail: object = None) -> str:
    begin = NOW.timestamp() * 1000
    ended = None if ended_ms is None else begin + ended_ms
    return json.dumps({"phase": phase, "started_ms": begin + started_ms, "ended_ms": ended, "detail": detail})


def test_the_containers_notes_are_read(tmp_path: Path) -> None:
    """Milliseconds since 1970, in order; a line that is being written, and nonsense, are left out."""
    lines = [
        note("volume", 4, 16.5, {"layout": "fresh"}),
        note("container", 0, 20, {"boottime_ms": 1.5}),
        note("pre-start mine.sh", 30, None),
        '{"phase": "torn", "started_',
        "[]",
        '{"phase": "no time"}',
        '{"phase": "wild", "started_ms": 1e300}',
    ]
    (tmp_path / "timeline.jsonl").write_text("\n".join(lines[1:2] + lines[:1] + lines[2:]))
    container, volume, hook = container_phases(tmp_path)

    assert container.started_at == NOW
    assert (container.part, container.label, container.detail) == (Part.CONTAINER, "Container started", "")
    assert (volume.label, volume.ms, volume.detail) == ("Volume prepared", 12, "layout fresh")
    assert (hook.label, hook.ms) == ("Pre-start mine.sh", None)


def test_only_the_newest_start_of_the_container_counts(tmp_path: Path) -> None:
    """Later starts of a service are left out, and so are Hearth and ComfyUI, which tell more of themselves."""
    lines = [
        note("container", -90_000, -89_000),
        note("nginx", -89_000, -88_000, {"start": 1}),
        note("container", 0, 20),
        note("nginx", 25, 60, {"start": 1}),
        note("hearth", 25, 600, {"start": 1}),
        note("comfyui", 25, 6_000, {"start": 1}),
        note("nginx", 70_000, 70_030, {"start": 2}),
    ]
    (tmp_path / "timeline.jsonl").write_text("\n".join(lines))

    assert [(phase.name, phase.ms) for phase in container_phases(tmp_path)] == [("container", 20), ("nginx", 35)]


def test_a_copy_to_the_volume_is_told_while_it_goes_on(tmp_path: Path) -> None:
    """And not before, nor afterwards."""
    assert copy_progress(tmp_path) is None
    (tmp_path / "copy.json").write_text('{"files_done": 1, "files_total": 4, "bytes_done": 25, "bytes_total": 100}')
    assert copy_progress(tmp_path) == 0.25
    (tmp_path / "copy.json").write_text('{"files_done": 4, "files_total": 4, "bytes_done": 100, "bytes_total": 100}')
    assert copy_progress(tmp_path) is None


def test_outside_of_a_container_there_are_no_notes(tmp_path: Path) -> None:
    """Neither a timeline nor a volume report; a torn report counts as none."""
    assert container_phases(tmp_path) == []
    assert volume_report(tmp_path) == {}
    (tmp_path / "volume.json").write_text('{"layout": ')
    assert volume_report(tmp_path) == {}


def test_hearth_measures_itself_from_its_birth() -> None:
    """The first phase begins when the kernel made the process; the one that goes on has no end."""
    recorder = StartupRecorder()
    recorder.loaded()
    with recorder.phase("database", "Database opened"):
        assert recorder.phases[-1].ms is None
    recorder.begin("listening", "First page served")
    assert total_ms(recorder.phases) is None
    recorder.end()
    recorder.end()  # once more is nothing

    assert [phase.name for phase in recorder.phases] == ["imports", "database", "listening"]
    assert recorder.phases[0].started_at == started_at()
    assert started_at() < utc_now()
    assert total_ms(recorder.phases) is not None


def test_comfyuis_start_is_cut_where_its_log_tells() -> None:
    """PyTorch, custom nodes, server, the first answer, and when it takes work."""
    boot = BootLog(
        torch="2.9.1+cu130", device="cuda:0 NVIDIA L4", nodes=[NodeImport("a", 0.2, False), NodeImport("b", 1.5, True)]
    )
    boot.steps = [Step("torch", "PyTorch and devices", at(900)), Step("nodes", "Custom nodes imported", at(4000))]
    boot.steps.append(Step("server", "Server listens", at(4200)))
    phases = comfyui_phases(ComfyUIStart(at(0), at(4300), at(4400)), boot)

    assert [(phase.name, phase.ms) for phase in phases] == [
        ("torch", 900), ("nodes", 3100), ("server", 200), ("http", 100), ("ready", 100),
    ]  # fmt: skip
    assert phases[0].detail == "PyTorch 2.9.1+cu130 on cuda:0 NVIDIA L4"
    assert phases[1].detail == "2 node packs, 1 failed; slowest b, 1.5 s"
    assert total_ms(phases) == 4400


def test_a_start_under_way_says_what_it_is_at() -> None:
    """The next step after those that are done; before the process there is nothing."""
    boot = BootLog(steps=[Step("torch", "PyTorch and devices", at(900))])
    going = comfyui_phases(ComfyUIStart(at(0), None, None), boot)

    assert [(phase.name, phase.ms) for phase in going] == [("torch", 900), ("nodes", None)]
    assert comfyui_phases(ComfyUIStart(None, None, None), boot) == []


def test_a_log_without_times_leaves_what_was_seen_from_outside() -> None:
    """The port answered, the queue takes work."""
    phases = comfyui_phases(ComfyUIStart(at(0), at(4000), at(4100)), BootLog())

    assert [(phase.name, phase.ms) for phase in phases] == [("http", 4000), ("ready", 100)]


class Stage:
    """A ComfyUI that answers and is ready when the test says so."""

    def __init__(self) -> None:
        self.answers = False
        self.ready = False
        self.hurried = 0

    async def ask(self) -> bool:
        return self.answers

    def hurry(self) -> None:
        self.hurried += 1
        self.ready = True


@pytest.mark.anyio
async def test_first_answer_and_readiness_are_noticed_and_forgotten_with_the_process() -> None:
    """And looked for again after a restart."""
    stage = Stage()
    watch = ComfyUIWatch(stage.ask, lambda: stage.ready, stage.hurry)
    watching = asyncio.create_task(watch.run())
    born = utc_now()
    try:
        assert watch.start_since(born) == ComfyUIStart(born, None, None)
        stage.answers = True
        async with asyncio.timeout(20):
            while watch.start_since(born).ready_at is None:
                await asyncio.sleep(0.01)
        start = watch.start_since(born)
        assert start.first_http_at is not None
        assert stage.hurried == 1

        stage.answers = stage.ready = False
        reborn = utc_now()
        assert watch.start_since(reborn) == ComfyUIStart(reborn, None, None)
        stage.answers = True
        async with asyncio.timeout(20):
            while watch.start_since(reborn).ready_at is None:
                await asyncio.sleep(0.01)
        assert stage.hurried == 2
    finally:
        watching.cancel()
        await asyncio.wait([watching])
