"""What every service does before its own program: note the attempt, leave root, forget secrets, let somebody watch it."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from backend.boot import attempts, timeline
from backend.boot.environment import places_of
from backend.kit.privacy import without_private

_NOTIFICATION_FD = 3
# These speak for the whole container: Hearth with its secrets, sshd with the rights of those who sign in.
_TRUSTED = {"hearth", "sshd"}
_KEPT = ("HEARTH_RUN_DIR", "HEARTH_OPT", "HEARTH_ROOT", "HEARTH_UID", "HEARTH_GID", "HEARTH_GROUPS", "HEARTH_CUDA")


def run(name: str, command: Sequence[str], address: str, environ: Mapping[str, str]) -> None:
    """Become *command* as the user of the services; does not return.

    Args:
        address: Asked until it answers, which makes the service ready; empty for services that cannot be asked.
    Raises:
        OSError: The program cannot be run.
    """
    places = places_of(environ)
    if name != "sshd":
        leave_root(environ)
    now = timeline.now_ms()
    attempt = attempts.started(attempts.read(places.attempts, name), pid=os.getpid(), now_ms=now)
    attempts.write(places.attempts, attempt)
    if address:
        _let_watch(address, attempt, places.timeline)
    environment = dict(environ) if name in _TRUSTED else private_environment(environ)
    os.execvpe(command[0], list(command), environment)  # noqa: S606 -- the image's own scripts


def private_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of programs that run other people's code."""
    return {**without_private(environ), **{name: environ[name] for name in _KEPT if name in environ}}


def leave_root(environ: Mapping[str, str]) -> None:
    """Become the user of the services for good; nothing happens where that is this user already."""
    uid, gid = int(environ.get("HEARTH_UID", "0")), int(environ.get("HEARTH_GID", "0"))
    if os.geteuid() != 0 or uid == 0:
        return
    groups = [int(group) for group in environ.get("HEARTH_GROUPS", "").split(",") if group]
    with suppress(PermissionError):  # without the capability everything stays root's
        os.setgroups(groups)
        os.setgid(gid)
        os.setuid(uid)


def end(name: str, code: int, number: int, environ: Mapping[str, str], status: Path) -> None:
    """Note the end of a service, end what it left behind, and wait as long as its next start has to wait; blocking.

    Args:
        status: What s6-supervise writes anew when somebody steers the service: that ends the wait.
    """
    places = places_of(environ)
    leave_root(environ)
    before = attempts.read(places.attempts, name)
    try:
        (places.run / f"{name}.reboot").unlink()
        reboot = True
    except OSError:
        reboot = False
    attempt = attempts.ended(before, code=code, number=number, reboot=reboot, now_ms=timeline.now_ms())
    if before.pid > 1:
        with suppress(OSError):
            os.killpg(before.pid, signal.SIGKILL)  # its group: children that would keep its port or its GPU
    attempts.write(places.attempts, attempt)
    seen = _version(status)  # first this: an order that comes after the question changes it
    if attempt.pause_s and _is_wanted(status.parent.parent):
        _wait(attempt.pause_s, status, seen)


def _is_wanted(folder: Path) -> bool:
    """Ask s6 whether it would start the service again at all."""
    import subprocess

    command = ["s6-svstat", "-o", "wantedup", str(folder.absolute())]
    return b"false" not in subprocess.run(command, capture_output=True, check=False).stdout  # noqa: S603


def _wait(pause_s: float, status: Path, seen: tuple[int, int]) -> None:
    import time

    until = timeline.boottime_ms() + pause_s * 1000
    while timeline.boottime_ms() < until and _version(status) == seen:
        time.sleep(0.05)


def _version(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:
        return (0, 0)
    return (stat.st_mtime_ns, stat.st_ino)


def _let_watch(address: str, attempt: attempts.Attempt, line: Path) -> None:
    """Leave a grandchild that watches: PID 1 becomes its parent, so the service has no child that it does not know."""
    from backend.boot import ready  # sockets, which PID 1 has no use for

    service = os.getpid()
    if (child := os.fork()) != 0:
        os.waitpid(child, 0)
        with suppress(OSError):
            os.close(_NOTIFICATION_FD)
        return
    if os.fork() != 0:
        os._exit(0)

    def tell() -> None:
        # First the timeline: who waits for the service finds its line there.
        detail = {"start": attempt.starts}
        timeline.append(line, attempt.service, attempt.started_ms, timeline.now_ms(), detail)
        with suppress(OSError):
            os.write(_NOTIFICATION_FD, b"\n")

    try:
        ready.watch(address, pid=service, on_ready=tell)
    finally:
        os._exit(0)
