"""A ComfyUI that Hearth runs: started with the right flags, watched, started again, and never left behind.

The checkout is a small one: its ``main.py`` answers GET /prompt as the real one does, and does what a file tells it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from backend.comfyui import (
    ComfyUIProcess,
    CrashLoop,
    Exit,
    Installation,
    LaunchPlan,
    LogRing,
    NotInstalled,
    PortTaken,
    ProcessError,
    ProcessPace,
    ProcessState,
)
from tests.live import free_port

pytestmark = pytest.mark.anyio

FAST = ProcessPace(
    ready_s=15,
    poll_s=0.02,
    interrupt_s=1,
    terminate_s=1,
    backoff_base_s=0.05,
    backoff_cap_s=0.1,
    crashes=3,
    steady_s=30,
)
_MAIN = """
import http.server, json, os, pathlib, signal, subprocess, sys, time
base = pathlib.Path(__file__).parent
mode = (base / "mode").read_text() if (base / "mode").exists() else ""
(base / "argv.json").write_text(json.dumps([sys.argv[1:], sorted(os.environ)]))
print("\\x1b[32m[INFO]\\x1b[0m Starting server", file=sys.stderr)
print("50%|#####     |\\r100%|##########|", file=sys.stderr)
if mode == "fail":
    sys.exit(1)
if mode == "abort":
    os.abort()
if mode == "child":
    (base / "child").write_text(str(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid))
if mode == "reboot" and not (base / "rebooted").exists():
    (base / "rebooted").touch()
    open(os.environ["__COMFY_CLI_SESSION__"] + ".reboot", "w").close()
    sys.exit(0)
if mode == "stubborn":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{"exec_info": {"queue_remaining": 0}}'
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *args): pass
port = int(sys.argv[sys.argv.index("--port") + 1])
try:
    http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
except KeyboardInterrupt:
    print("Stopped server", file=sys.stderr)
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose Python is the one that runs the tests."""
    folder = tmp_path / "ComfyUI"
    (folder / "comfy").mkdir(parents=True)
    (folder / "main.py").write_text(_MAIN)
    (folder / "comfyui_version.py").write_text('__version__ = "0.3.64"\n')
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
    return folder


@pytest.fixture
def installation(checkout: Path) -> Installation:
    """What is found in it."""
    return Installation.find(checkout)


def _plan(installation: Installation, **options: Any) -> LaunchPlan:
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(installation.directory), "ACCESS_PASSWORD": "x", "HF_TOKEN": "x",
    }  # fmt: skip
    return LaunchPlan(installation, free_port(), environment=environment, **options)


@pytest.fixture
async def start(installation: Installation) -> AsyncIterator[Callable[..., ComfyUIProcess]]:
    """Make processes in one of the modes of the little main.py; they end with the test."""
    made: list[ComfyUIProcess] = []

    def make(mode: str = "") -> ComfyUIProcess:
        (installation.directory / "mode").write_text(mode)
        made.append(ComfyUIProcess(_plan(installation), pace=FAST))
        return made[-1]

    yield make
    for process in made:
        await process.stop()


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_it_starts_answers_and_stops_politely(start: Callable[..., ComfyUIProcess]) -> None:
    """SIGINT is enough: it says goodbye, and nothing of it is left."""
    process = start()
    await process.start()
    await process.ready()
    pid = process.pid
    assert process.state is ProcessState.READY
    await process.stop()

    assert process.state is ProcessState.STOPPED
    assert pid is not None
    assert not psutil.pid_exists(pid)
    assert process.log.tail(1) == ["Stopped server"]


async def test_its_flags_are_those_that_are_needed(installation: Installation, tmp_path: Path) -> None:
    """Own folders, an own database, previews, loopback only; extra arguments come last."""
    base = tmp_path / "base"
    plan = _plan(
        installation, base_directory=base, database=tmp_path / "user" / "comfyui.db",
        extra_model_paths=tmp_path / "paths.yaml", arguments=("--cpu",),
    )  # fmt: skip
    process = ComfyUIProcess(plan, pace=FAST)
    await process.start()
    await process.ready()
    arguments, names = json.loads((installation.directory / "argv.json").read_text())
    await process.stop()

    assert arguments == [
        "--listen", "127.0.0.1", "--port", str(plan.port), "--base-directory", str(base),
        "--database-url", f"sqlite:///{tmp_path}/user/comfyui.db",
        "--extra-model-paths-config", f"{tmp_path}/paths.yaml", "--preview-method", "auto", "--cpu",
    ]  # fmt: skip
    assert (base / "custom_nodes").is_dir()
    assert "PATH" in names
    assert not {"ACCESS_PASSWORD", "HF_TOKEN"} & set(names)


async def test_it_is_started_again_when_it_dies(start: Callable[..., ComfyUIProcess]) -> None:
    """Killed from outside, it comes back by itself, as another process."""
    process = start()
    await process.start()
    await process.ready()
    pid = process.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await _until(lambda: process.state is ProcessState.READY and process.pid != pid)

    assert process.last_exit is not None
    assert process.last_exit.code == -9
    assert "memory" in process.last_exit.reason


async def test_the_managers_wish_for_a_restart_is_no_crash(start: Callable[..., ComfyUIProcess]) -> None:
    """ComfyUI-Manager leaves a mark and ends ComfyUI with 0: it is started again at once, without a pause."""
    process = start("reboot")
    turns: list[ProcessState] = []
    process._on_change = turns.append
    await process.start()
    await process.ready()

    assert process.restarts == 1
    assert process.last_exit is not None
    assert process.last_exit.is_reboot
    assert ProcessState.WAITING not in turns
    assert not process.plan.reboot_mark.exists()


async def test_an_end_with_0_without_that_mark_is_one_like_any_other(start: Callable[..., ComfyUIProcess]) -> None:
    """It waits before it is started again."""
    process = start()
    await process.start()
    await process.ready()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGINT)
    await _until(lambda: process.restarts == 1)
    await process.ready()

    assert process.last_exit is not None
    assert (process.last_exit.code, process.last_exit.is_reboot) == (0, False)


async def test_a_restart_is_another_process(start: Callable[..., ComfyUIProcess]) -> None:
    """On the same port."""
    process = start()
    await process.start()
    await process.ready()
    pid = process.pid
    await process.restart()
    await process.ready()

    assert process.pid != pid


@pytest.mark.parametrize(("mode", "reason"), [("fail", "log"), ("abort", "aborted in native code")])
async def test_a_crash_loop_ends_with_a_reason(start: Callable[..., ComfyUIProcess], mode: str, reason: str) -> None:
    """After some ends within a short time it stays down, and says how it ended and what it wrote."""
    process = start(mode)
    await process.start()
    with pytest.raises(CrashLoop, match=reason) as error:
        await process.ready()

    assert process.state is ProcessState.FAILED
    assert "[INFO] Starting server" in str(error.value.details["log"])


async def test_it_can_be_started_after_a_crash_loop(start: Callable[..., ComfyUIProcess], checkout: Path) -> None:
    """Somebody repaired it, and says so."""
    process = start("fail")
    await process.start()
    with pytest.raises(CrashLoop):
        await process.ready()
    (checkout / "mode").write_text("")
    await process.start()
    await process.ready()


async def test_one_that_ignores_signals_is_killed(start: Callable[..., ComfyUIProcess]) -> None:
    """SIGINT, SIGTERM, SIGKILL: stopping always ends."""
    process = start("stubborn")
    await process.start()
    await process.ready()
    pid = process.pid
    await process.stop()

    assert pid is not None
    assert not psutil.pid_exists(pid)


async def test_what_it_started_does_not_outlive_it(start: Callable[..., ComfyUIProcess], checkout: Path) -> None:
    """Its whole group ends with it."""
    process = start("child")
    await process.start()
    await process.ready()
    child = int((checkout / "child").read_text())
    assert psutil.pid_exists(child)
    await process.stop()
    await _until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


async def test_it_does_not_outlive_a_hearth_that_was_killed(installation: Installation) -> None:
    """Kill -9 of the parent ends the child: the kernel sees to it."""
    plan = _plan(installation)
    script = textwrap.dedent(f"""
        import asyncio, os
        from pathlib import Path
        from backend.comfyui import ComfyUIProcess, Installation, LaunchPlan
        async def main():
            process = ComfyUIProcess(LaunchPlan(Installation.find(Path({str(installation.directory)!r})), {plan.port}, environment=dict(os.environ)))
            await process.start()
            await process.ready()
            print(process.pid, flush=True)
            await asyncio.sleep(600)
        asyncio.run(main())
    """)
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env={"PATH": os.environ["PATH"]},
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    parent.kill()
    await parent.wait()
    await _until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


async def test_a_port_that_is_taken_is_named(installation: Installation) -> None:
    """Before anything is started; ComfyUI would start whole, then end with a traceback."""
    plan = _plan(installation)
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", plan.port)
    with pytest.raises(PortTaken):
        await ComfyUIProcess(plan, pace=FAST).start()
    server.close()
    await server.wait_closed()


async def test_waiting_for_one_that_was_never_started(installation: Installation) -> None:
    """Ends at once."""
    with pytest.raises(ProcessError):
        await ComfyUIProcess(_plan(installation), pace=FAST).ready()


def test_what_is_no_checkout_is_named(tmp_path: Path, checkout: Path) -> None:
    """No main.py, or no Python; the version is read where there is one."""
    with pytest.raises(NotInstalled, match=r"main\.py"):
        Installation.find(tmp_path)
    assert Installation.find(checkout).version == "0.3.64"
    (checkout / ".venv" / "bin" / "python").unlink()
    with pytest.raises(NotInstalled, match="Python"):
        Installation.find(checkout)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    assert Installation.find(checkout).python == checkout / ".." / ".venv" / "bin" / "python"


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "by itself"), (-9, "memory"), (137, "memory"), (-6, "native"), (-11, "segmentation"), (-15, "terminated"), (-1, "SIGHUP"), (42, "code 42")],
)  # fmt: skip
def test_exit_codes_have_words(code: int, words: str) -> None:
    """For whoever reads the page."""
    assert words in Exit(code, 1).reason


def test_log_lines_are_cleaned() -> None:
    """No colours; of a progress bar the last state stays; a line may arrive in pieces, and in the middle of a letter."""
    ring = LogRing(3)
    heard: list[str] = []
    stop = ring.listen(lambda line: heard.append(line.text))
    for piece in (b"\x1b[31mone\x1b[0m\r\ntw", b"o\xc3", b"\xa9\n10%\r20", b"%\r30%\r", b"done\n", b"\n\nlast"):
        ring.feed(piece)
    stop()
    ring.feed(b"", final=True)

    assert ring.tail(9) == ["twoé", "done", "last"]
    assert heard == ["one", "twoé", "10%", "20%", "30%", "done"]
