"""A container without a container: the image's own scripts and s6, over small services, in folders of the test."""

from __future__ import annotations

import ctypes
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.volume.conftest import make_image

ROOT = Path(__file__).parents[2]
SIGNALS = {"nginx": "SIGQUIT", "hearth": "SIGTERM", "comfyui": "SIGINT"}
DEADLINE_S = 60
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER (prctl(2)): orphans go to this process, as they go to PID 1


class Container:
    """Run ``entrypoint``; *behaviours* say how the services named in them behave, the others are good."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.places = make_image(folder)
        self.environ = environ
        self.ports = {name: free_port() for name in SIGNALS}
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.output = folder / "output"
        hearth = self.places.opt / "hearth"
        hearth.mkdir()
        (hearth / "app").symlink_to(ROOT)
        (hearth / "bin").symlink_to(ROOT / "image" / "rootfs" / "opt" / "hearth" / "bin")
        shutil.copytree(ROOT / "image" / "rootfs" / "etc" / "s6", folder / "s6", symlinks=True)
        for name in SIGNALS:
            self.behave(name, "good")

    def behave(self, name: str, behaviour: str) -> None:
        """Replace what the service *name* runs; everything else of it stays the image's."""
        port = self.ports[name]
        command = f"{sys.executable} {ROOT}/tests/boot/dummy_service.py {name} {port} {SIGNALS[name]} {behaviour}"
        door = f'exec "$HEARTH_OPT/hearth/bin/boot" service {name} --ready http://127.0.0.1:{port}/'
        (self._folder / "s6" / name / "run").write_text(f"#!/bin/sh\nexec 2>&1\n{door} -- {command}\n")

    def start(self, *command: str) -> None:
        """Start it; *command* takes the place of the services."""
        environ = {
            "PATH": os.environ["PATH"],
            "WORKSPACE": str(self.places.workspace),
            "HEARTH_OPT": str(self.places.opt),
            "HEARTH_ROOT": str(self.places.root),
            "HEARTH_RUN_DIR": str(self.places.run),
            "HEARTH_S6": str(self._folder / "s6"),
            "PUID": str(os.geteuid()),
            **self.environ,
        }
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                [self.places.opt / "hearth" / "bin" / "entrypoint", *command],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_adopt_orphans,  # noqa: PLW1509 -- nothing else runs in this process then
            )

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = DEADLINE_S) -> int:
        """Tell it to end and return its exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(timeout_s)

    @property
    def pid(self) -> int:
        """Its PID 1."""
        assert self._process is not None
        return self._process.pid

    def wait(self, timeout_s: float = DEADLINE_S) -> int:
        """Wait for its end."""
        assert self._process is not None
        return self._process.wait(timeout_s)

    def asked(self, name: str, fields: str) -> list[str]:
        """Return what s6-svstat says of *fields*; nothing while the service is not known."""
        command = ["s6-svstat", "-o", fields, self.places.services / name]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()

    def is_ready(self, name: str) -> bool:
        """Tell whether *name* said that it can be used."""
        return self.asked(name, "up,ready") == ["true", "true"]

    def service_pid(self, name: str) -> int:
        """Return the process of *name*, or -1."""
        told = self.asked(name, "pid")
        return int(told[0]) if told else -1

    def attempt(self, name: str) -> dict[str, Any]:
        """Return the record of *name*'s attempts."""
        try:
            return json.loads((self.places.attempts / f"{name}.json").read_text())
        except (OSError, ValueError):
            return {}

    def log(self, name: str) -> str:
        """Return what s6-log kept of *name*."""
        try:
            return (self.places.logs / name / "current").read_text()
        except OSError:
            return ""

    def steer(self, name: str, *flags: str) -> None:
        """Give an order as ``s6-svc`` does."""
        subprocess.run(["s6-svc", *flags, self.places.services / name], check=True, capture_output=True)

    def report(self) -> str:
        """Return everything that helps to understand a failure."""
        parts = [self.output.read_text() if self.output.exists() else "nothing was said"]
        told = "up,ready,wantedup,pid"
        parts += [f"{name}: {self.asked(name, told)} {self.attempt(name)}\n{self.log(name)}" for name in SIGNALS]
        return "\n".join(parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        print(self.report())
        if self._process is not None and self._process.poll() is None:
            try:
                self.stop(timeout_s=20)
            except subprocess.TimeoutExpired:
                for name in SIGNALS:
                    if (pid := self.service_pid(name)) > 1:
                        os.kill(pid, signal.SIGKILL)
                self._process.kill()
                self._process.wait()


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for *condition*, within bounds that only a broken program reaches."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE_S} s: {what}"
        time.sleep(0.02)


def free_port() -> int:
    """Return a port that nobody listens at now, outside of those that the system gives to connections meanwhile."""
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as handle:
            try:
                handle.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def _adopt_orphans() -> None:
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
