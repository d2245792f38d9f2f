"""Services under s6: one directory each, asked with ``s6-svstat`` and ``s6-svdt``, steered with ``s6-svc``.

``s6-supervise`` writes ``supervise/status`` anew whenever something changes, so the programs are only run then.
"""

from __future__ import annotations

import asyncio
import dataclasses
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from backend.kit.clock import utc_now
from backend.logs import get_logger
from backend.system.errors import ServiceNotSteered
from backend.system.logs import FileLog, LogSource, parse_line
from backend.system.services.attempts import Attempt, read_attempt
from backend.system.services.status import (
    KNOWN,
    Action,
    ExitReason,
    Known,
    LastExit,
    Service,
    ServiceState,
    off,
    signal_name,
)

log = get_logger(__name__)

_FIELDS = "up,wantedup,ready,pid,updownsince"
_TIMEOUT_S = 5.0
_ORDER_LASTS_S = 20.0  # a service may take so long to end after it was told to

_POLITE = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
_POLITE_CODES = tuple(128 + number for number in _POLITE)
_COMMANDS = {Action.START: "-u", Action.STOP: "-d", Action.RESTART: "-r"}


@dataclass(frozen=True, slots=True)
class _Seen:
    """What s6 said, and the state of the files that it was said about."""

    version: tuple[int, ...]
    is_up: bool
    is_wanted: bool
    is_ready: bool
    pid: int | None
    since: datetime
    deaths: tuple[tuple[datetime | None, int | None, int | None], ...]


class S6Supervisor:
    """Speak with the s6-supervise of each service in a scan directory.

    Args:
        scan_dir: The live scan directory; services come and go with its entries.
        logs_dir: Holds a folder for each service, written by s6-log.
        attempts_dir: Where the container's start and finish scripts remember how each service was started and ended.
    """

    def __init__(self, scan_dir: Path, logs_dir: Path, attempts_dir: Path | None = None) -> None:
        self._scan_dir = scan_dir
        self._logs_dir = logs_dir
        self._attempts_dir = attempts_dir or scan_dir.parent / "attempts"
        self._seen: dict[str, _Seen] = {}
        self._ordered: dict[str, datetime] = {}

    async def services(self) -> Sequence[Service]:
        """Return the services in the scan directory, then those that exist but not here."""
        names = await asyncio.to_thread(_service_names, self._scan_dir)
        found = await asyncio.gather(*map(self._service, names))
        return [*found, *(off(name) for name in KNOWN if name not in names)]

    async def act(self, name: str, action: Action) -> None:
        """Pass *action* on to s6-supervise.

        Raises:
            ServiceNotSteered: It does not run, or this user may not steer it.
        """
        self._ordered[name] = utc_now()
        arguments = [_COMMANDS[action]]
        seen = self._seen.get(name)
        if action is Action.RESTART and seen is not None and not seen.is_up:
            arguments = ["-u"]  # there is nothing to end
        done = await _run("s6-svc", *arguments, str(self._scan_dir / name))
        if done is None or done[0] != 0:
            reason = "it does not answer" if done is None else done[1].strip().rpartition(": ")[2]
            raise ServiceNotSteered(f"s6 could not {action} {name}: {reason}.")
        self._seen.pop(name, None)

    def log(self, name: str) -> LogSource:
        """Return the folder that s6-log writes for this service."""
        return FileLog(self._logs_dir / name)

    async def _service(self, name: str) -> Service:
        files = await asyncio.to_thread(_look_at, self._scan_dir / name, self._logs_dir / name, self._attempts_dir)
        seen = self._seen.get(name)
        if files.version and (seen is None or seen.version != files.version):
            seen = await self._look(self._scan_dir / name, files.version)
        if not files.version or seen is None:
            return _unsupervised(name, has_log=files.has_log)
        self._seen[name] = seen
        return self._shown(name, seen, files)

    async def _look(self, folder: Path, version: tuple[int, ...]) -> _Seen | None:
        status, tally = await asyncio.gather(
            _run("s6-svstat", "-o", _FIELDS, str(folder)), _run("s6-svdt", str(folder))
        )
        if status is None or status[0] != 0:
            return None
        up, wanted, ready, pid, changed = status[1].split()
        deaths = () if tally is None or tally[0] != 0 else tuple(map(_death, tally[1].splitlines()))
        return _Seen(
            version=version,
            is_up=up == "true",
            is_wanted=wanted == "true",
            is_ready=ready == "true",
            pid=int(pid) if int(pid) > 0 else None,
            since=parse_line(f"{changed} ".encode())[0] or utc_now(),
            deaths=deaths,
        )

    def _shown(self, name: str, seen: _Seen, files: _Files) -> Service:
        known = KNOWN.get(name, Known(name))
        state = _state(seen, waits_for_ready=files.tells_readiness)
        attempt = files.attempt
        last = self._last_exit(name, seen)
        if attempt is not None and attempt.reason is not None and last is not None:
            last = dataclasses.replace(last, reason=attempt.reason)
        return Service(
            name=name,
            label=known.label,
            port=known.port,
            state=state,
            wanted=seen.is_wanted,
            ready=seen.is_ready if files.tells_readiness and seen.is_up else None,
            pid=seen.pid,
            since=seen.since,
            restarts=len(seen.deaths) if attempt is None else max(attempt.starts - seen.is_up, 0),
            last_exit=last,
            next_start_at=attempt.next_start_at if attempt is not None and state is ServiceState.WAITING else None,
            has_log=files.has_log,
            actions=_actions(state, known),
            detail=_detail(state, last),
        )

    def _last_exit(self, name: str, seen: _Seen) -> LastExit | None:
        if not seen.deaths:
            return None
        at, code, number = seen.deaths[-1]
        return LastExit(
            self._reason(name, seen, at, code, number), code, None if number is None else signal_name(number), at
        )

    def _reason(self, name: str, seen: _Seen, at: datetime | None, code: int | None, number: int | None) -> ExitReason:
        ordered = self._ordered.get(name)
        if ordered is not None and at is not None and abs((at - ordered).total_seconds()) < _ORDER_LASTS_S:
            return ExitReason.ORDERED
        if not seen.is_wanted or number in _POLITE or code in _POLITE_CODES:
            return ExitReason.ORDERED
        # ComfyUI ends by itself with 0 only when ComfyUI-Manager wants a fresh one.
        return ExitReason.REBOOT if name == "comfyui" and code == 0 else ExitReason.CRASH


@dataclass(frozen=True, slots=True)
class _Files:
    """What lies on disk about a service; no version while nobody supervises it."""

    version: tuple[int, ...]
    tells_readiness: bool
    has_log: bool
    attempt: Attempt | None


def _look_at(folder: Path, log_folder: Path, attempts_dir: Path) -> _Files:
    try:
        stats = [(folder / "supervise" / name).stat() for name in ("status", "death_tally")]
    except OSError:
        stats = []
    version = tuple(number for stat in stats for number in (stat.st_ino, stat.st_mtime_ns, stat.st_size))
    attempt = read_attempt(attempts_dir, folder.name)
    return _Files(version, (folder / "notification-fd").exists(), log_folder.is_dir(), attempt)


def _service_names(scan_dir: Path) -> list[str]:
    """Return the services in the order of their importance; loggers and what is hidden are left out."""
    try:
        names = [entry.name for entry in scan_dir.iterdir() if not entry.name.startswith(".") and entry.is_dir()]
    except OSError:
        return []
    known = list(KNOWN)
    services = [name for name in names if not name.endswith(("-log", "-logger"))]
    return sorted(services, key=lambda name: (known.index(name) if name in known else len(known), name))


def _state(seen: _Seen, *, waits_for_ready: bool) -> ServiceState:
    if seen.is_up:
        if not seen.is_wanted:
            return ServiceState.STOPPING
        return ServiceState.STARTING if waits_for_ready and not seen.is_ready else ServiceState.RUNNING
    return ServiceState.WAITING if seen.is_wanted else ServiceState.STOPPED


def _actions(state: ServiceState, known: Known) -> tuple[Action, ...]:
    if state in (ServiceState.STOPPED, ServiceState.STOPPING):
        return (Action.START,)
    return (Action.RESTART,) if known.is_needed else (Action.RESTART, Action.STOP)


def _detail(state: ServiceState, last: LastExit | None) -> str:
    if last is None or state is ServiceState.STOPPED:
        return ""
    if last.reason is ExitReason.REBOOT:
        return "Restarted by ComfyUI-Manager"
    if last.reason is ExitReason.ORDERED:
        return ""
    how = f"ended by {last.signal}" if last.signal else f"ended with code {last.code}"
    return f"{how}; it is started again after a pause" if state is ServiceState.WAITING else f"Before this it {how}"


def _unsupervised(name: str, *, has_log: bool) -> Service:
    known = KNOWN.get(name, Known(name))
    detail = "Nothing supervises it yet."
    return Service(name, known.label, known.port, ServiceState.STOPPED, has_log=has_log, detail=detail)


def _death(line: str) -> tuple[datetime | None, int | None, int | None]:
    """Read a line of s6-svdt: a TAI64N label, then ``exitcode 3`` or ``signal SIGKILL``."""
    at, text = parse_line(line.encode())
    kind, _, value = text.partition(" ")
    if kind == "signal":
        return at, None, _signal_number(value)
    return at, int(value) if value.lstrip("-").isdigit() else None, None


def _signal_number(name: str) -> int:
    return int(getattr(signal, name, 0)) or (int(name) if name.isdigit() else 0)


async def _run(program: str, *arguments: str) -> tuple[int, str] | None:
    """Run a program of s6 and return its exit code and what it wrote; None when it is missing or does not end."""
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
    except OSError as error:
        log.warning("s6_not_run", program=program, reason=str(error))
        return None
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    return process.returncode or 0, output.decode("utf-8", "replace")
