"""Services and the start over the API, on a real s6 tree and a simulated ComfyUI."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from tests.conftest import running
from tests.fakes.comfyui import SimulatedComfyUI
from tests.fakes.s6 import S6Tree

pytestmark = pytest.mark.anyio

BOOT = Path(__file__).parents[1] / "system" / "recordings" / "boot_0.3.64.log"
_DEADLINE_S = 20


@pytest.fixture
def tree(tmp_path: Path, workspace: Path) -> Iterator[S6Tree]:
    """ComfyUI has written its boot log, Jupyter is down."""
    tree = S6Tree(tmp_path / "run", workspace)
    tree.add("comfyui", f"cat '{BOOT}'; exec sleep 1000")
    tree.add("hearth", "exec sleep 1000")
    tree.add("jupyter", "echo lab; exec sleep 1000", down=True)
    begin = datetime.now(UTC).timestamp() * 1000
    line = {"phase": "container", "started_ms": begin - 40, "ended_ms": begin, "detail": {}}
    (tree.run / "timeline.jsonl").write_text(json.dumps(line) + "\n")
    (tree.run / "volume.json").write_text('{"layout": "fresh", "safe_mode": false, "warnings": []}')
    with tree:
        yield tree


@pytest.fixture
def comfyui(tmp_path: Path) -> SimulatedComfyUI:
    """Not started yet."""
    return SimulatedComfyUI(tmp_path / "simulated")


@pytest.fixture
async def app(
    make_app: Callable[..., FastAPI], tree: S6Tree, comfyui: SimulatedComfyUI, anyio_backend: object
) -> AsyncIterator[FastAPI]:
    async with AsyncExitStack() as stack:
        application = make_app(hearth_run_dir=tree.run, comfyui_url=(comfyui.url,))
        await stack.enter_async_context(running(application))
        yield application
    await asyncio.to_thread(comfyui.stop)


async def until(client: httpx2.AsyncClient, path: str, condition: Callable[[Any], bool]) -> Any:
    async with asyncio.timeout(_DEADLINE_S):
        while not condition(answer := (await client.get(path)).json()):
            await asyncio.sleep(0.02)
    return answer


async def test_services_are_listed_with_what_can_be_asked_of_them(client: httpx2.AsyncClient) -> None:
    """State, process, memory; those that are not part of the installation last."""
    path = "/api/system/services"
    answer = await until(client, path, lambda answer: answer["items"][0]["state"] == "running")
    services = {service["name"]: service for service in answer["items"]}

    assert answer["total"] == len(answer["items"]) == 6
    assert services["comfyui"]["memory_bytes"] > 0
    assert services["comfyui"]["actions"] == ["restart", "stop"]
    assert services["jupyter"]["state"] == "stopped"
    assert {name for name, service in services.items() if service["state"] == "off"} == {"nginx", "code-server", "sshd"}
    assert (await client.get(f"{path}/comfyui")).json()["label"] == "ComfyUI"
    missing = await client.get(f"{path}/nothing")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "service_not_found")


async def test_a_service_is_started_stopped_and_restarted(client: httpx2.AsyncClient) -> None:
    """202 with how it is right afterwards; what makes no sense is 409."""
    path = "/api/system/services/jupyter"
    assert (await client.post(f"{path}/start")).status_code == 202
    first = await until(client, path, lambda service: service["state"] == "running")
    again = await client.post(f"{path}/start")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "illegal_service_action")
    await client.post(f"{path}/restart")
    await until(client, path, lambda service: service["state"] == "running" and service["pid"] != first["pid"])
    await client.post(f"{path}/stop")
    stopped = await until(client, path, lambda service: service["state"] == "stopped")

    assert stopped["wanted"] is False
    assert (await client.post("/api/system/services/hearth/stop")).status_code == 409


async def test_logs_are_read_searched_and_saved(client: httpx2.AsyncClient) -> None:
    """The last lines, those of a level, those with a text; the whole as a file."""
    path = "/api/system/services/comfyui/logs"
    await until(client, path, lambda page: any("To see the GUI" in line["text"] for line in page["items"]))
    last = (await client.get(path, params={"lines": 3})).json()
    errors = (await client.get(path, params={"level": "error", "q": "TIMM"})).json()
    saved = await client.get(f"{path}/file")

    assert last["total"] == 3
    assert last["items"][-1]["at"] is not None
    assert [line["text"] for line in errors["items"]] == [
        "    import timm.models",
        "ModuleNotFoundError: No module named 'timm'",
    ]
    assert saved.headers["content-disposition"] == 'attachment; filename="comfyui.log"'
    assert saved.text.count("\n") > 150
    assert (await client.get(path, params={"lines": 0})).status_code == 422
    assert (await client.get("/api/system/services/nothing/logs/file")).status_code == 404


async def test_the_start_is_told_until_comfyui_takes_work(
    client: httpx2.AsyncClient, comfyui: SimulatedComfyUI
) -> None:
    """Phases of the container, of Hearth and of ComfyUI with milliseconds, and a card for each node that failed."""
    starting = await until(client, "/api/startup", lambda answer: len(answer["comfyui"]["failures"]) == 11)
    assert (starting["state"], starting["total_ms"]) == ("starting", None)
    assert [phase["part"] for phase in starting["phases"]][:4] == ["container", "hearth", "hearth", "hearth"]
    assert starting["phases"][-1]["ms"] is None
    assert starting["volume"]["layout"] == "fresh"

    await asyncio.to_thread(comfyui.start)
    ready = await until(client, "/api/startup", lambda answer: answer["state"] == "ready")
    phases = {(phase["part"], phase["name"]): phase for phase in ready["phases"]}
    assert {name for part, name in phases if part == "comfyui"} >= {"torch", "nodes", "http", "ready"}
    assert phases["hearth", "imports"]["ms"] > 0
    assert phases["container", "container"]["ms"] == 40
    florence = next(card for card in ready["comfyui"]["failures"] if card["name"] == "ComfyUI-Florence2")
    assert (florence["action"], florence["package"]) == ("install", "timm")
    assert florence["command"].endswith("/venv/bin/pip install timm")
    assert ready["service"]["name"] == "comfyui"


async def test_doctor_measures_only_when_asked(client: httpx2.AsyncClient) -> None:
    """What was measured once is told again without measuring."""
    before = (await client.get("/api/system/checks")).json()
    measured = (await client.get("/api/system/checks", params={"measure": True})).json()
    after = (await client.get("/api/system/checks")).json()

    def names(answer: Any) -> set[str]:
        return {check["name"] for check in answer["items"]}

    assert not names(before) & {"small_files", "large_files"}
    assert names(measured) >= {"small_files", "large_files", "layout", "file_system", "owner", "clock", "gpu"}
    assert names(after) == names(measured)
    assert all(set(check) == {"name", "state", "message", "hint", "fix"} for check in after["items"])
