"""The parts find each other, a start that cannot succeed is one sentence, and one that can is lean and idempotent."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from backend.bootstrap import Services
from tests.conftest import client_of, running
from tests.fakes.hub import HuggingFaceHub
from tests.fakes.model_host import Content, ModelHost, Slow
from tests.live import free_port
from tests.roadmap import shelve
from tests.secret_watch import secret, watch

pytestmark = pytest.mark.anyio

_ROOT = Path(__file__).parent.parent
_REFUSED_STARTS: list[tuple[dict[str, str], str]] = [
    ({"MAX_PARALLEL_DOWNLOADS": "0"}, "MAX_PARALLEL_DOWNLOADS is '0', but it should be greater than or equal to 1."),
    ({"HF_ENDPOINT": "the hub"}, "HF_ENDPOINT is 'the hub', but it must be an http:// or https:// address."),
    ({"CORS_ORIGINS": "*"}, "CORS_ORIGINS is"),
    ({"WORKSPACE": "/dev/null/here"}, "The workspace /dev/null/here cannot be used: Not a directory."),
]
_NOT_AT_START = (
    "alembic", "httpx2", "pycurl", "httpcore2", "obstore", "rich", "typer", "pydantic.v1", "jinja2", "PIL", "psutil",
    "greenlet", "urllib.request", "hypothesis", "pytest", "trustme", "tests",
    "backend.api.downloads", "backend.api.presets", "backend.compat.desk", "backend.compat.door", "backend.web.contexts",
    "backend.web.socket", "backend.generation.results.pictures", "backend.database.migrations",
)  # fmt: skip


@pytest.mark.parametrize(("environ", "sentence"), _REFUSED_STARTS)
def test_a_start_that_cannot_succeed_is_one_sentence(workspace: Path, environ: dict[str, str], sentence: str) -> None:
    """Under uvicorn: the variable or folder, the reason, what to do; no traceback, and a status that says so."""
    done = _uvicorn(workspace, environ)

    assert done.returncode != 0
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_secret_in_a_wrong_setting_is_not_shown(workspace: Path) -> None:
    """Its file is named, its value is not."""
    path = workspace / "token"
    path.mkdir()
    done = _uvicorn(workspace, {"HF_TOKEN_FILE": str(path)})

    assert done.returncode != 0
    assert f"HF_TOKEN_FILE points to '{path}', which cannot be read: Is a directory." in done.stderr


async def test_a_second_hearth_is_refused(make_app: Callable[..., FastAPI], workspace: Path) -> None:
    """One sentence, while the first goes on."""
    async with _opened(make_app()) as (services, client):
        done = await asyncio.to_thread(_uvicorn, workspace, {})
        assert f"Another Hearth works on {workspace}." in done.stderr
        assert "Traceback" not in done.stderr
        assert (await client.get("/api/ready")).status_code == 200
        assert services.engine.is_running


@pytest.mark.parametrize("stored", ['"many"', "-3", "null", "[]", "{", "1e99"])
async def test_no_stored_setting_prevents_a_start(
    make_app: Callable[..., FastAPI], workspace: Path, stored: str
) -> None:
    """The predecessor never started again after one bad PATCH; here the default is in force and the API says so."""
    async with _opened(make_app()):
        pass
    with sqlite3.connect(workspace / "config" / "hearth.db") as connection:
        connection.execute(
            "INSERT INTO settings (name, value, updated_at) VALUES ('max_parallel_downloads', ?, '2026-11-24')",
            (stored,),
        )
    connection.close()
    async with _opened(make_app()) as (_, client):
        settings = {each["name"]: each["value"] for each in (await client.get("/api/settings")).json()["items"]}
        assert settings["max_parallel_downloads"] == 4


async def test_readiness_names_what_is_missing(make_app: Callable[..., FastAPI], workspace: Path) -> None:
    """503 with the part and the reason, while liveness stays 200."""
    async with _opened(make_app()) as (services, client):
        assert (await client.get("/api/ready")).json()["ready"] is True
        shutil.move(workspace / "config", workspace / "elsewhere")
        answer = await client.get("/api/ready")
        shutil.move(workspace / "elsewhere", workspace / "config")
        assert answer.status_code == 503
        assert "No such file" in answer.json()["checks"]["workspace"]
        await services.engine.close()
        answer = await client.get("/api/ready")
        assert (answer.status_code, answer.json()["checks"]["downloads"]) == (503, "the transfer engine has stopped")
        assert (await client.get("/api/health")).status_code == 200


async def test_presets_of_the_environment_are_queued_once(
    make_app: Callable[..., FastAPI], tmp_path: Path, hugging_face: HuggingFaceHub
) -> None:
    """Three variables, old names, duplicates; an unknown id stops nothing, and a restart does not ask again."""
    shelve(tmp_path / "catalogue", hugging_face, "ltx-video-2b", size=300_000)
    shelve(tmp_path / "catalogue", hugging_face, "flux1-schnell-fp8", size=300_000)
    settings = {
        "preset_catalog_dir": tmp_path / "catalogue",
        "hf_endpoint": hugging_face.endpoint,
        "preset_download": "LTX_VIDEO_T2V,NONSENSE,ltx-video-2b",
        "image_preset_download": "flux1-schnell-fp8",
    }
    async with _opened(make_app(**settings)) as (services, client):
        await _until(lambda: _states(client), lambda states: states.count("completed") == 2)
        assert services.downloads.active_for("ltx-video-2b") is None
    sent = hugging_face.cdn.host.bytes_sent
    async with _opened(make_app(**settings)) as (_, client):
        await _until(lambda: _running_tasks("preset-startup"), lambda names: not names)
        assert await _states(client) == ["completed", "completed"]
    assert hugging_face.cdn.host.bytes_sent == sent


async def test_presets_of_the_environment_do_not_delay_the_start(
    make_app: Callable[..., FastAPI], tmp_path: Path, hugging_face: HuggingFaceHub
) -> None:
    """A hub that does not answer is waited for behind the open door."""
    shelve(tmp_path / "catalogue", hugging_face, "ltx-video-2b", size=300_000)
    hugging_face.close()
    app = make_app(
        preset_catalog_dir=tmp_path / "catalogue", hf_endpoint=hugging_face.endpoint, preset_download="LTX_VIDEO_T2V"
    )
    async with _opened(app) as (_, client):
        assert (await client.get("/api/ready")).status_code == 200
        assert (await client.get("/api/presets/LTX_VIDEO_T2V")).status_code == 200


async def test_a_token_sets_a_blocked_job_going(
    make_app: Callable[..., FastAPI], tmp_path: Path, hugging_face: HuggingFaceHub
) -> None:
    """The store of tokens and the queue know each other only through the joint."""
    shelve(tmp_path / "catalogue", hugging_face, "ltx-video-2b", size=300_000)
    hugging_face.gate("Lightricks/LTX-Video")
    token = hugging_face.account("ada")
    hugging_face.accept("Lightricks/LTX-Video", "ada")
    async with _opened(make_app(preset_catalog_dir=tmp_path / "catalogue", hf_endpoint=hugging_face.endpoint)) as (
        _,
        client,
    ):
        job_id = (await client.post("/api/presets/LTX_VIDEO_T2V/download")).json()["id"]
        await _until(lambda: _states(client), lambda states: states == ["blocked"])
        assert (await client.put("/api/tokens/huggingface.co", json={"token": token})).status_code == 204
        await _until(lambda: _states(client), lambda states: states == ["completed"])
        assert (await client.get(f"/api/downloads/{job_id}")).json()["error"] is None


async def test_a_changed_setting_reaches_queue_and_engine(
    make_app: Callable[..., FastAPI], model_host: ModelHost
) -> None:
    """At once: one file at a time becomes two, and the ceiling of the rate is felt by what already runs."""
    async with _opened(make_app()) as (_, client):
        await client.patch("/api/settings", json={"max_parallel_downloads": 1})
        for number in range(3):
            url = model_host.put(f"/{number}.safetensors", Content.safetensors(30_000_000, seed=number), Slow(0.2e6))
            (await client.post("/api/downloads/start", json={"url": url, "directory": "loras"})).raise_for_status()
        await _until(lambda: _states(client), lambda states: states.count("downloading") == 1)
        await client.patch("/api/settings", json={"max_parallel_downloads": 2})
        await _until(lambda: _states(client), lambda states: states.count("downloading") == 2)

        await client.patch("/api/settings", json={"download_rate_limit": 50_000})
        begin, before = time.monotonic(), await _bytes_done(client)
        await asyncio.sleep(3)  # measured, not waited for
        assert (await _bytes_done(client) - before) / (time.monotonic() - begin) < 500_000, "unlimited it is 3 MB/s"


async def test_the_dashboard_can_be_switched_off(make_app: Callable[..., FastAPI]) -> None:
    """No page is left; API, documentation and sockets answer."""
    async with _opened(make_app(enable_dashboard=False)) as (_, client):
        assert (await client.get("/")).json()["health"] == "/api/health"
        for path in ("/presets", "/downloads", "/settings", "/login"):
            assert (await client.get(path)).status_code == 404, path
        assert (await client.get("/api/presets")).status_code == 200
        assert (await client.get("/docs")).status_code == 200


async def test_the_preset_manager_can_be_switched_off(make_app: Callable[..., FastAPI]) -> None:
    """Its endpoints say so, nothing is queued at start, and downloads by address go on."""
    async with _opened(make_app(enable_preset_manager=False, preset_download="LTX_VIDEO_T2V")) as (_, client):
        answer = await client.get("/api/presets")
        assert answer.json()["error"]["code"] == "presets_disabled"
        assert "ENABLE_PRESET_MANAGER" in answer.json()["error"]["message"]
        assert (await client.get("/api/downloads")).json()["total"] == 0


async def test_nothing_is_left_of_an_ended_hearth(
    make_app: Callable[..., FastAPI], model_host: ModelHost, workspace: Path
) -> None:
    """With a file arriving: no task, no thread, no open database, no lock; what arrived is kept."""
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    url = model_host.put("/a.safetensors", Content.safetensors(30_000_000), Slow(0.2e6))
    async with _opened(make_app()) as (_, client):
        (await client.post("/api/downloads/start", json={"url": url, "directory": "loras"})).raise_for_status()
        await model_host.until(lambda seen: any(request.bytes_sent > 20_000 for request in seen))
    assert asyncio.all_tasks() == tasks
    left = {thread.name for thread in set(threading.enumerate()) - threads}
    assert not [name for name in left if name.startswith(("download", "db-", "password"))], left
    assert model_host.open_answers == 0
    assert list((workspace / "ComfyUI" / "models").rglob("*.part"))
    async with _opened(make_app()) as (_, client):
        assert await _states(client) in (["queued"], ["resolving"], ["downloading"])


def test_a_start_loads_only_what_it_needs(workspace: Path, make_app: Callable[..., FastAPI]) -> None:
    """On a current database; each of these costs time or memory and is loaded with its first use."""
    code = (
        "import asyncio, json, sys\nfrom backend.main import app\n"
        "async def start():\n    async with app.router.lifespan_context(app):\n        await asyncio.sleep(0.2)\n"
        "asyncio.run(start())\nprint(json.dumps(sorted(sys.modules)))"
    )
    environ = {"PATH": "/usr/bin:/bin", "WORKSPACE": str(workspace), "ACCESS_PASSWORD": secret("access password")}
    for _ in range(2):  # the first migrates
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=_ROOT, env=environ, capture_output=True, text=True, timeout=60, check=True
        )
    loaded = set(json.loads(done.stdout.splitlines()[-1]))

    assert not loaded & set(_NOT_AT_START)


def _uvicorn(workspace: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Start as the roadmap does and wait for the end, which comes at once when the start is refused."""
    command = [sys.executable, *f"-m uvicorn backend.main:app --host 127.0.0.1 --port {free_port()}".split()]
    known = {"PATH": "/usr/bin:/bin", "HOME": str(workspace), "WORKSPACE": str(workspace)}
    return subprocess.run(
        command, cwd=_ROOT, env={**known, "ACCESS_PASSWORD": secret("access password"), **environ},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@asynccontextmanager
async def _opened(app: FastAPI) -> Any:
    """Run *app* and hand out its services and a client on this machine's token."""
    async with running(app), client_of(app) as client:
        services: Services = app.state.lifespan_state["services"]
        client.headers["Authorization"] = f"Bearer {watch('local token', services.auth.local_token())}"
        yield services, client


async def _states(client: httpx2.AsyncClient) -> list[str]:
    return [job["state"] for job in (await client.get("/api/downloads")).json()["items"]]


async def _bytes_done(client: httpx2.AsyncClient) -> int:
    return sum(job["bytes_done"] for job in (await client.get("/api/downloads")).json()["items"])


async def _running_tasks(name: str) -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name() == name]


async def _until(ask: Callable[[], Any], is_right: Callable[[Any], bool], within_s: float = 30) -> None:
    deadline = time.monotonic() + within_s
    while not is_right(seen := await ask()):
        assert time.monotonic() < deadline, seen
        await asyncio.sleep(0.05)
