"""A real tree of s6 services in a folder of the test: supervised, logged and rotated as in the container."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

_DEADLINE_S = 20


def need_s6() -> None:
    """Skip where s6 is not installed; the project's own runs bring it."""
    if shutil.which("s6-svscan") is None:
        (pytest.fail if "CI" in os.environ else pytest.skip)(
            "s6 is not installed (scripts/bootstrap.sh test brings it)"
        )


class S6Tree:
    """Run s6-svscan on ``<run>/services``; logs go to ``<workspace>/logs/<service>``."""

    def __init__(self, run: Path, workspace: Path) -> None:
        need_s6()
        self.run = run
        self.scan = run / "services"
        self.logs = workspace / "logs"
        self.scan.mkdir(parents=True)
        self._process: subprocess.Popen[bytes] | None = None

    def add(self, name: str, script: str, *, down: bool = False, ready: bool = False, finish: str = "") -> None:
        """Add a service; *script* is what ``run`` does after a line that joins its two outputs."""
        folder = self.scan / name
        (folder / "log").mkdir(parents=True)
        log = self.logs / name
        log.mkdir(parents=True)
        _program(folder / "run", f"exec 2>&1\n{script}")
        _program(folder / "log" / "run", f"exec s6-log t n4 s8192 '{log}'")
        if finish:
            _program(folder / "finish", finish)
        if down:
            (folder / "down").touch()
        if ready:
            (folder / "notification-fd").write_text("3\n")

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(["s6-svscan", self.scan], stderr=subprocess.DEVNULL)
        try:
            services = [each for each in self.scan.iterdir() if not each.name.startswith(".")]
            wait_until(lambda: all((each / "supervise" / "status").exists() for each in services))
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)  # stops every service, then itself
        self._process.wait(timeout=_DEADLINE_S)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until *condition* holds, which it must within a deadline."""
    deadline = time.monotonic() + _DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def _program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
