"""One container as a test holds it: start, look inside, stop."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import httpx2

from tests.images.engine import Engine
from tests.secret_watch import secret, watch

PORTS = (8001, 3001, 8081, 8889)
_DEADLINE_S = 90


class Container:
    """Run an image for as long as the context lasts; its ports are published on the loopback interface.

    Args:
        options: Further flags of ``docker run``.
        environ: Variables of the container; the password is set unless given.
    """

    def __init__(self, engine: Engine, image: str, *options: str, **environ: str) -> None:
        self.engine = engine
        self.image = image
        self.name = f"hearth-test-{uuid.uuid4().hex[:10]}"
        self.password = environ.setdefault("ACCESS_PASSWORD", secret("access password"))
        self.began = 0.0
        self.start_log = ""
        self._options = options
        self._environ = environ
        self._ports: dict[int, int] = {}
        self._token: str | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            print(self._tail())
        self.engine.run("rm", "-f", "-v", self.name, check=False)

    def start(self) -> Self:
        """Create and start it; returns before anything inside answers."""
        variables = [each for name, value in self._environ.items() for each in ("-e", f"{name}={value}")]
        publish = [each for port in PORTS for each in ("-p", f"127.0.0.1::{port}")]
        self.began = time.monotonic()
        self.engine.run("run", "-d", "--name", self.name, *publish, *variables, *self._options, self.image)
        self._read_ports()
        return self

    def start_again(self) -> None:
        """Start it after :meth:`stop`; the published ports are new ones."""
        self.began = time.monotonic()
        self.engine.run("start", self.name)
        self._read_ports()

    def stop(self) -> tuple[int, float]:
        """Stop it as ``docker stop`` does; returns its exit code and the seconds that it took."""
        begin = time.monotonic()
        self.engine.run("stop", "-t", "30", self.name)
        return int(self.inspect("{{.State.ExitCode}}")), time.monotonic() - begin

    def url(self, port: int, path: str = "") -> str:
        """Return the address of one of the doors."""
        return f"http://127.0.0.1:{self._ports[port]}{path}"

    def get(self, port: int, path: str, **options: Any) -> httpx2.Response:
        """Ask a door without signing in."""
        return httpx2.get(self.url(port, path), timeout=20, **options)

    @property
    def token(self) -> str:
        """A bearer token, asked for once."""
        if self._token is None:
            answer = httpx2.post(self.url(8001, "/api/auth/login"), json={"password": self.password}, timeout=20)
            answer.raise_for_status()
            self._token = watch("session token", answer.json()["access_token"])
        return self._token

    def api(self, path: str, method: str = "GET", **options: Any) -> httpx2.Response:
        """Ask Hearth's API, signed in."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx2.request(method, self.url(8001, path), headers=headers, timeout=20, **options)

    def sh(self, script: str, *, user: str = "", check: bool = True) -> str:
        """Run a shell script inside, and return what it prints."""
        as_user = ["--user", user] if user else []
        return self.engine.run("exec", *as_user, self.name, "sh", "-c", script, check=check).stdout.strip()

    def logs(self) -> str:
        """Return everything that ``docker logs`` shows."""
        done = self.engine.run("logs", self.name, check=False)
        return done.stdout + done.stderr

    def inspect(self, template: str) -> str:
        """Return a part of ``docker inspect``."""
        return self.engine.out("inspect", "-f", template, self.name)

    def wait(self, condition: Callable[[], object], what: str, timeout_s: float = _DEADLINE_S) -> Any:
        """Wait until *condition* is true, and return its value; a lost connection counts as false."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                found = condition()
            except httpx2.HTTPError:
                found = None
            if found:
                return found
            running = self.inspect("{{.State.Running}}") == "true"
            assert running, f"{what}: the container has ended\n{self._tail()}"
            assert time.monotonic() < deadline, f"{what} did not come true\n{self._tail()}"
            time.sleep(0.05)

    def wait_for_hearth(self) -> float:
        """Wait until the dashboard's door answers; returns the seconds since the start."""
        self.wait(lambda: self.get(8001, "/api/health").status_code == 200, "the dashboard")
        return time.monotonic() - self.began

    def wait_for_comfyui(self) -> float:
        """Wait until ComfyUI answers through its door; returns the seconds since the start."""
        self.wait_for_hearth()
        headers = {"Authorization": f"Bearer {self.token}"}
        self.wait(lambda: self.get(3001, "/system_stats", headers=headers).status_code == 200, "ComfyUI")
        return time.monotonic() - self.began

    def processes(self, pattern: str) -> list[int]:
        """Return the process ids inside whose command line holds *pattern*; the image has no ps."""
        script = (
            "for p in /proc/[0-9]*; do [ $$ = ${p#/proc/} ] || "
            '{ tr "\\0" " " <$p/cmdline; echo "|${p#/proc/}"; } 2>/dev/null; done'
        )
        rows = (line.rpartition("|") for line in self.sh(script).splitlines())
        return sorted(int(pid) for command, _, pid in rows if pattern in command and "cmdline" not in command)

    def _tail(self) -> str:
        """Return the end of the log without what the waiting itself has caused."""
        return "\n".join(line for line in self.logs().splitlines() if "connect() failed" not in line)[-4000:]

    def _read_ports(self) -> None:
        ports = json.loads(self.inspect("{{json .NetworkSettings.Ports}}"))
        self._ports = {int(name.split("/")[0]): int(places[0]["HostPort"]) for name, places in ports.items() if places}
