"""``make demo`` shows what its texts promise: a sound preset, one that waits for a token, one from a broken host."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.secret_watch import LOGS, secret, watch

_ROOT = Path(__file__).parent.parent


@dataclass
class Demo:
    """A running demo and what it printed."""

    process: subprocess.Popen[bytes]
    log: Path
    client: httpx2.Client

    def job(self, preset_id: str) -> dict[str, Any]:
        """Install a preset and return its job once it stands still."""
        job_id = self.client.post(f"/api/presets/{preset_id}/download").raise_for_status().json()["id"]
        return self.until(job_id, "completed", "failed", "blocked")

    def until(self, job_id: str, *states: str) -> dict[str, Any]:
        """Return the job once it is in one of *states*."""
        deadline = time.monotonic() + 90
        while (job := self.client.get(f"/api/downloads/{job_id}").json())["state"] not in states:
            assert time.monotonic() < deadline, job
            time.sleep(0.1)
        return job


def _printed(log: Path, pattern: str, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 60
    while not (found := re.search(pattern, log.read_text())):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    return found[1]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """The demo as ``make demo`` starts it, on a free port."""
    password = secret("demo password")
    printed = tmp_path / "printed.txt"  # it prints a token of its own hub on purpose
    log = LOGS / "demo.log"
    environ = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "WORKSPACE": str(tmp_path / "demo"), "HOST": "127.0.0.1",
        "PORT": "0", "ACCESS_PASSWORD": password, "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    with printed.open("wb") as out, log.open("wb") as err:
        process = subprocess.Popen([sys.executable, "-m", "tests.demo"], cwd=_ROOT, env=environ, stdout=out, stderr=err)
    try:
        url = _printed(log, r"Hearth opens at  (http://127\.0\.0\.1:\d+)/", process)
        with httpx2.Client(base_url=url, timeout=20) as client:
            token = client.post("/api/auth/login", json={"password": password}).json()["access_token"]
            client.cookies.clear()
            client.headers["Authorization"] = f"Bearer {watch('session token', token)}"
            yield Demo(process, printed, client)
    finally:
        process.kill()
        process.wait()


def test_the_demo_keeps_its_promises(demo: Demo) -> None:
    """Happy and unhappy ways, ComfyUI at the end of them, and Ctrl-C."""
    assert {preset["id"] for preset in demo.client.get("/api/presets").json()["items"]} == {
        "demo-image", "demo-video", "demo-gated", "demo-broken", "demo-audio",
    }  # fmt: skip
    assert demo.job("demo-audio")["state"] == "completed"

    gated = demo.job("demo-gated")
    assert (gated["state"], gated["error"]["code"]) == ("blocked", "gated_no_token")
    token = watch("token of the demo", _printed(demo.log, r"For gated files +(hf_\S+)", demo.process))
    demo.client.put("/api/tokens/huggingface.co", json={"token": token}).raise_for_status()
    assert demo.until(gated["id"], "completed", "failed")["state"] == "completed"

    broken = demo.job("demo-broken")
    assert (broken["state"], broken["error"]["code"]) == ("failed", "not_a_model")
    assert demo.client.get("/api/presets/demo-broken/status").json()["status"] == "absent"

    comfyui = _printed(demo.log, r"ComfyUI sees +(http://\S+)/models/checkpoints", demo.process)
    assert httpx2.get(f"{comfyui}/models/checkpoints").json() == [
        "demo-audio.safetensors", "demo-gated.safetensors",
    ]  # fmt: skip
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(timeout=15) == 0
    assert "Traceback" not in (LOGS / "demo.log").read_text()
