"""Services under a real s6 are told as they are, steered, and their changes published; ends are told apart."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from backend.events import Hub, Subscription
from backend.events.types import SERVICE_CHANGED, SYSTEM
from backend.system import IllegalServiceAction, S6Supervisor, ServiceDesk, ServiceNotSteered, UnknownService
from backend.system.services import Action, Service, ServiceState
from backend.system.services.status import ExitReason
from tests.fakes.s6 import S6Tree

pytestmark = pytest.mark.anyio

_SLEEP = "echo started; exec sleep 1000"
_DEADLINE_S = 20


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[S6Tree]:
    """ComfyUI and the proxy run, Jupyter is down, one service ends again and again."""
    tree = S6Tree(tmp_path / "run", tmp_path / "workspace")
    tree.add("comfyui", _SLEEP)
    tree.add("nginx", _SLEEP)
    tree.add("jupyter", _SLEEP, down=True)
    tree.add("hearth", "echo 'listening' >&3; exec sleep 1000", ready=True)
    tree.add("crasher", "echo 'about to end'; exit 3", finish="exec sleep 1")
    with tree:
        yield tree


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def desk(tree: S6Tree, hub: Hub) -> ServiceDesk:
    return ServiceDesk([S6Supervisor(tree.scan, tree.logs)], hub)


async def until(desk: ServiceDesk, name: str, condition: Callable[[Service], bool]) -> Service:
    async with asyncio.timeout(_DEADLINE_S):
        while not condition(service := await desk.get(name)):
            await asyncio.sleep(0.02)
    return service


def running(service: Service) -> bool:
    return service.state is ServiceState.RUNNING


async def test_each_service_is_told_as_it_is(desk: ServiceDesk) -> None:
    """State, process, memory, readiness where it is told, and what can be asked; those that are not here come last."""
    comfyui = await until(desk, "comfyui", running)
    hearth = await until(desk, "hearth", running)
    services = {service.name: service for service in await desk.list()}

    assert comfyui.pid is not None
    os.kill(comfyui.pid, 0)
    assert comfyui.memory_bytes
    assert comfyui.ready is None
    assert hearth.ready is True
    assert comfyui.actions == (Action.RESTART, Action.STOP)
    assert services["jupyter"].state is ServiceState.STOPPED
    assert services["jupyter"].actions == (Action.START,)
    assert services["code-server"].state is ServiceState.OFF
    assert "ENABLE_CODE_SERVER" in services["code-server"].detail
    assert [*services][:4] == ["comfyui", "hearth", "nginx", "jupyter"]
    assert services["comfyui"].has_log
    assert services["code-server"].actions == ()


async def test_a_service_that_keeps_ending_is_visible(desk: ServiceDesk) -> None:
    """It waits to be started again, its ends are counted, and how it ended is told."""
    waiting = await until(
        desk, "crasher", lambda service: service.state is ServiceState.WAITING and service.restarts > 1
    )

    assert waiting.wanted
    assert waiting.last_exit is not None
    assert (waiting.last_exit.reason, waiting.last_exit.code) == (ExitReason.CRASH, 3)
    assert "code 3" in waiting.detail


async def test_what_the_containers_scripts_remember_is_told(desk: ServiceDesk, tree: S6Tree) -> None:
    """How often it was started, why it ended, and when it is started again; a damaged record counts as none."""
    folder = tree.run / "attempts"
    folder.mkdir()
    record = {"service": "crasher", "starts": 7, "reason": "crash", "next_start_ms": 1_795_550_000_000.0}
    (folder / "crasher.json").write_text(json.dumps(record))
    (folder / "comfyui.json").write_text('{"starts": ')
    waiting = await until(desk, "crasher", lambda service: service.state is ServiceState.WAITING)

    assert waiting.restarts == 7
    assert waiting.next_start_at is not None
    assert waiting.next_start_at.timestamp() == 1_795_550_000
    assert (await until(desk, "comfyui", running)).restarts == 0


async def test_stop_start_and_restart_do_what_they_say(desk: ServiceDesk) -> None:
    """And a restart is not a crash."""
    before = await until(desk, "comfyui", running)
    await desk.act("comfyui", Action.RESTART)
    after = await until(desk, "comfyui", lambda service: running(service) and service.pid != before.pid)
    assert after.last_exit is not None
    assert after.last_exit.reason is ExitReason.ORDERED
    assert after.detail == ""

    await desk.act("comfyui", Action.STOP)
    stopped = await until(desk, "comfyui", lambda service: service.state is ServiceState.STOPPED)
    assert not stopped.wanted
    assert stopped.pid is None
    with pytest.raises(IllegalServiceAction):
        await desk.act("comfyui", Action.RESTART)

    await desk.act("comfyui", Action.START)
    await until(desk, "comfyui", running)


async def test_a_kill_is_a_crash_and_is_mended(desk: ServiceDesk) -> None:
    """As when the kernel needs the memory; s6 starts it again by itself."""
    before = await until(desk, "comfyui", running)
    assert before.pid is not None
    os.kill(before.pid, signal.SIGKILL)
    after = await until(desk, "comfyui", lambda service: running(service) and service.pid != before.pid)

    assert after.restarts == 1
    assert after.last_exit is not None
    assert (after.last_exit.reason, after.last_exit.signal) == (ExitReason.CRASH, "SIGKILL")
    assert "SIGKILL" in after.detail


async def test_the_managers_reboot_is_a_restart_and_no_crash(tmp_path: Path) -> None:
    """ComfyUI-Manager ends ComfyUI with 0 in order to have it started again."""
    tree = S6Tree(tmp_path / "run", tmp_path / "workspace")
    tree.add("comfyui", f"[ -e {tmp_path}/once ] && exec sleep 1000; touch {tmp_path}/once; exit 0")
    with tree:
        desk = ServiceDesk([S6Supervisor(tree.scan, tree.logs)], Hub())
        service = await until(desk, "comfyui", lambda service: running(service) and service.restarts == 1)

    assert service.last_exit is not None
    assert service.last_exit.reason is ExitReason.REBOOT
    assert "ComfyUI-Manager" in service.detail


async def test_what_would_lock_everybody_out_is_not_stopped(desk: ServiceDesk) -> None:
    """The dashboard and the proxy may be restarted; a name that is none is refused."""
    for name in ("hearth", "nginx"):
        with pytest.raises(IllegalServiceAction):
            await desk.act(name, Action.STOP)
    assert (await desk.get("hearth")).actions == (Action.RESTART,)
    with pytest.raises(IllegalServiceAction):
        await desk.act("code-server", Action.START)
    for name in ("nothing", "../services/comfyui", ""):
        with pytest.raises(UnknownService):
            await desk.act(name, Action.RESTART)


@pytest.fixture
async def listening(desk: ServiceDesk, hub: Hub) -> AsyncIterator[Subscription]:
    reporting = asyncio.create_task(desk.report(every_s=0.05))
    with hub.subscribe((SYSTEM,)) as subscription:
        yield subscription
    reporting.cancel()
    await asyncio.wait([reporting])


async def test_changes_are_told_to_whoever_listens(desk: ServiceDesk, listening: Subscription) -> None:
    """Whoever caused them, and each with the whole service."""
    before = await until(desk, "comfyui", running)
    assert before.pid is not None
    os.kill(before.pid, signal.SIGKILL)
    async with asyncio.timeout(_DEADLINE_S):
        while True:
            for numbered in await listening.next():
                event = numbered.event
                if event.key == "comfyui" and event.data["state"] == "running" and event.data["pid"] != before.pid:
                    assert event.type == SERVICE_CHANGED
                    return


async def test_the_log_of_a_service_is_where_s6_log_writes_it(desk: ServiceDesk) -> None:
    """With the time of each line."""
    await until(desk, "comfyui", running)
    source = await desk.log("comfyui")
    async with asyncio.timeout(_DEADLINE_S):
        while not (entries := await asyncio.to_thread(source.tail, 10)):
            await asyncio.sleep(0.02)

    assert entries[0].text == "started"
    assert entries[0].at is not None
    with pytest.raises(UnknownService):
        await desk.log("nothing")


async def test_without_s6_a_refusal_says_so(tmp_path: Path) -> None:
    """The directory is there, but nobody supervises it."""
    (tmp_path / "services" / "comfyui").mkdir(parents=True)
    supervisor = S6Supervisor(tmp_path / "services", tmp_path / "logs")
    [service] = [each for each in await supervisor.services() if each.name == "comfyui"]

    assert service.state is ServiceState.STOPPED
    assert service.actions == ()
    with pytest.raises(ServiceNotSteered):
        await supervisor.act("comfyui", Action.START)
