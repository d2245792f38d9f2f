"""The ComfyUI that Hearth runs itself is a service like any other."""

from __future__ import annotations

import asyncio
import os
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from backend.comfyui import ComfyUIProcess, Installation, LaunchPlan, ProcessPace
from backend.events import Hub
from backend.system import ChildSupervisor, OwnProcess, ServiceDesk, ServiceNotSteered
from backend.system.services import Action, Service, ServiceState
from tests.live import free_port

pytestmark = pytest.mark.anyio

_DEADLINE_S = 20
_MAIN = """
    import http.server, sys
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = b'{"exec_info": {"queue_remaining": 0}}'
            self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
        def log_message(self, *args): pass
    print("Starting server", file=sys.stderr)
    http.server.HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Handler).serve_forever()
"""


@pytest.fixture
async def process(tmp_path: Path, anyio_backend: object) -> AsyncIterator[ComfyUIProcess]:
    checkout = tmp_path / "ComfyUI"
    (checkout / "comfy").mkdir(parents=True)
    (checkout / "main.py").write_text(textwrap.dedent(_MAIN))
    (checkout / "comfyui_version.py").write_text('__version__ = "0.3.64"\n')
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").symlink_to(sys.executable)
    installation = await asyncio.to_thread(Installation.find, checkout)
    plan = LaunchPlan(installation, free_port(), environment={"PATH": os.environ["PATH"]})
    child = ComfyUIProcess(plan, pace=ProcessPace(poll_s=0.02, interrupt_s=2, terminate_s=2))
    yield child
    await child.stop()


@pytest.fixture
def desk(process: ComfyUIProcess) -> ServiceDesk:
    return ServiceDesk([ChildSupervisor(process), OwnProcess(8000)], Hub())


async def until(desk: ServiceDesk, condition: Callable[[Service], bool]) -> Service:
    async with asyncio.timeout(_DEADLINE_S):
        while not condition(service := await desk.get("comfyui")):
            await asyncio.sleep(0.02)
    return service


async def test_it_is_steered_like_any_other_service(desk: ServiceDesk) -> None:
    """Started, restarted, stopped; the answer comes before the work is done."""
    assert (await desk.get("comfyui")).actions == (Action.START,)
    await desk.act("comfyui", Action.START)
    first = await until(desk, lambda service: service.state is ServiceState.RUNNING)
    assert (await desk.act("comfyui", Action.RESTART)).state is ServiceState.STOPPING
    second = await until(desk, lambda service: service.state is ServiceState.RUNNING and service.pid != first.pid)
    assert second.since is not None
    assert first.since is not None
    assert second.since > first.since
    await desk.act("comfyui", Action.STOP)
    stopped = await until(desk, lambda service: service.state is ServiceState.STOPPED)

    assert not stopped.wanted


async def test_its_lines_are_there(desk: ServiceDesk) -> None:
    """From memory, for there is no file."""
    await desk.act("comfyui", Action.START)
    await until(desk, lambda service: service.state is ServiceState.RUNNING)
    source = await desk.log("comfyui")

    assert [entry.text for entry in source.tail(5)] == ["Starting server"]


async def test_hearth_shows_itself_but_does_not_steer_itself(desk: ServiceDesk) -> None:
    """Where nothing supervises it; its memory is its own alone."""
    own = await desk.get("hearth")
    assert own.pid == os.getpid()
    assert own.since is not None
    assert own.memory_bytes
    assert own.actions == ()
    with pytest.raises(ServiceNotSteered):
        await OwnProcess(8000).act("hearth", Action.RESTART)
