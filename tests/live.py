"""A real Hearth in a process of its own, to be started, killed and started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2

from tests.secret_watch import LOGS, secret, watch

_START_DEADLINE_S = 60
_ROOT = Path(__file__).parent.parent


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class LiveServer:
    """Run ``uvicorn backend.main:app`` on *workspace*; the port stays the same over restarts."""

    def __init__(self, workspace: Path, **environ: str) -> None:
        self.workspace = workspace
        self.password = secret("access password")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = LOGS / f"server-{self.port}.log"
        self._environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(workspace),
            "WORKSPACE": str(workspace),
            "ACCESS_PASSWORD": self.password,
            "DISK_RESERVE": "0",
            "LOG_LEVEL": "debug",
            **environ,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._token: str | None = None

    @property
    def token(self) -> str:
        """A bearer token, asked for once."""
        if self._token is None:
            answer = httpx2.post(f"{self.url}/api/auth/login", json={"password": self.password}, timeout=20)
            answer.raise_for_status()
            self._token = watch("session token", answer.json()["access_token"])
        return self._token

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> LiveServer:
        """Start the process and wait until it answers."""
        command = [sys.executable, "-m", "uvicorn", "backend.main:app", "--host", "127.0.0.1", "--port", str(self.port)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=_ROOT, env=self._environ, stdout=log, stderr=log)
        deadline = time.monotonic() + _START_DEADLINE_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"the server ended at once:\n{self.log.read_text()[-3000:]}")
            try:
                httpx2.get(f"{self.url}/api/health", timeout=2).raise_for_status()
            except httpx2.HTTPError:
                time.sleep(0.05)
            else:
                return self
        raise RuntimeError("the server did not answer in time")

    def kill(self) -> None:
        """End the process as a power cut would: SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End the process as an administrator would: SIGTERM, then wait."""
        self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Kill and start again on the same port and workspace."""
        self.kill()
        self.start()

    def client(self) -> httpx2.Client:
        """Return a client that is signed in; close it, or use it as a context manager."""
        return httpx2.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=20)

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(number)
            process.wait(timeout=30)
