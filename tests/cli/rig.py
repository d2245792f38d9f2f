"""Run ``hearth`` as people do: a process of its own, its two streams and its status."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.secret_watch import LOGS, secret

_ROOT = Path(__file__).parents[2]
_LIMIT_S = 60


@dataclass(frozen=True)
class Done:
    """What a command left."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which with --json is one document."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """The last line of standard error, which with --json holds the error."""
        return json.loads(self.err.splitlines()[-1])["error"]


@dataclass
class CommandLine:
    """Commands on one workspace."""

    workspace: Path
    environ: dict[str, str] = field(default_factory=dict[str, str])
    password: str = field(default_factory=lambda: secret("access password"))

    def __call__(self, *words: str, **environ: str) -> Done:
        """Run a command to its end."""
        process = self.begin(*words, **environ)
        out, err = process.communicate(timeout=_LIMIT_S)
        return Done(process.returncode, out, err)

    def begin(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen(
            [sys.executable, "-m", "backend.cli", *words],
            cwd=_ROOT, env=self._environ(environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def on_a_terminal(self, *words: str) -> str:
        """Run a command on a terminal of 120 columns; return all that was written there."""
        ours, theirs = pty.openpty()
        environ = self._environ({"TERM": "xterm", "COLUMNS": "120", "LINES": "40"})
        process = subprocess.Popen(
            [sys.executable, "-m", "backend.cli", *words], cwd=_ROOT, env=environ, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        written, deadline = b"", time.monotonic() + _LIMIT_S
        while time.monotonic() < deadline and select.select([ours], [], [], _LIMIT_S)[0]:
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # EIO: the other side is closed
                break
            written += chunk
        os.close(ours)
        assert process.wait(timeout=10) == 0, written.decode()
        return written.decode()

    @contextmanager
    def serving(self, *words: str, **environ: str) -> Generator[Serving]:
        """Run ``hearth serve --json`` on a free port for as long as the context lasts."""
        log = LOGS / f"serve-{os.getpid()}-{time.monotonic_ns()}.log"
        with log.open("w") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "backend.cli", "serve", "--json", *words], cwd=_ROOT,
                env=self._environ({"PORT": "0", "HOST": "127.0.0.1", **environ}),
                stdout=subprocess.PIPE, stderr=err, text=True,
            )  # fmt: skip
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, log.read_text()
        try:
            yield Serving(process, json.loads(line)["url"].rstrip("/"), log)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def _environ(self, more: dict[str, str]) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"], "HOME": str(self.workspace), "WORKSPACE": str(self.workspace),
            "ACCESS_PASSWORD": self.password, "DISK_RESERVE": "0", **self.environ, **more,
        }  # fmt: skip


@dataclass(frozen=True)
class Serving:
    """A running ``hearth serve``."""

    process: subprocess.Popen[str]
    url: str
    log: Path

    def end(self, number: int = signal.SIGTERM, within_s: float = 10) -> int:
        """Send a signal and return the status.

        Raises:
            TimeoutExpired: It does not end in time.
        """
        self.process.send_signal(number)
        return self.process.wait(timeout=within_s)

    def wait_for_line(self, *parts: str, within_s: float = 30) -> None:
        """Return when the log has a line with all *parts*."""
        deadline = time.monotonic() + within_s
        while not any(all(part in line for part in parts) for line in self.log.read_text().splitlines()):
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)


def has_ansi(text: str) -> bool:
    """Tell whether terminal control sequences are in *text*."""
    return "\x1b" in text


def without_ansi(text: str) -> str:
    """Return what a person sees, all frames of it."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
