"""Keep one ComfyUI running as a child: start, wait until it answers, start again when it ends, stop for good."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from backend.comfyui.client import ComfyUIClient
from backend.comfyui.errors import ComfyUIError, CrashLoop, PortTaken, ProcessError, StartFailed
from backend.comfyui.exits import Exit
from backend.comfyui.launch import LaunchPlan
from backend.comfyui.log_ring import LogRing
from backend.comfyui.wire import Timeouts
from backend.kit.backoff import delay_s
from backend.kit.clock import monotonic_s, utc_now

logger = logging.getLogger(__name__)

_CHUNK_BYTES = 65_536
_LAST_LINES = 15


class ProcessState(StrEnum):
    """Where the child stands."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    WAITING = "waiting"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ProcessPace:
    """Seconds, and counts.

    Args:
        ready_s: To answer after a start; the first start of an installation compiles thousands of files.
        interrupt_s, terminate_s: To end after SIGINT, then after SIGTERM, before SIGKILL.
        crashes, within_s: So many ends within so long, and it is not started any more.
        steady_s: Running for so long makes earlier ends forgotten.
    """

    ready_s: float = 180.0
    poll_s: float = 0.1
    interrupt_s: float = 10.0
    terminate_s: float = 5.0
    backoff_base_s: float = 1.0
    backoff_cap_s: float = 30.0
    crashes: int = 5
    within_s: float = 300.0
    steady_s: float = 60.0


class ComfyUIProcess:
    """Run the ComfyUI of *plan*.

    Args:
        on_change: Called on the event loop whenever ``state`` changes.
    """

    def __init__(
        self,
        plan: LaunchPlan,
        *,
        pace: ProcessPace | None = None,
        on_change: Callable[[ProcessState], None] | None = None,
    ) -> None:
        self.plan = plan
        self.log = LogRing()
        self.last_exit: Exit | None = None
        self.last_exit_at: datetime | None = None
        self.started_at: datetime | None = None
        self.restarts = 0
        self.error: ProcessError | None = None
        self._pace = pace or ProcessPace()
        self._on_change = on_change
        self._state = ProcessState.STOPPED
        self._child: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._news = asyncio.Condition()
        self._steering = asyncio.Lock()

    @property
    def state(self) -> ProcessState:
        """Where it stands."""
        return self._state

    @property
    def pid(self) -> int | None:
        """The number of the process while there is one."""
        return None if self._child is None else self._child.pid

    async def start(self) -> None:
        """Begin to keep it running; :meth:`ready` waits until it answers. Does nothing while it is kept running.

        Raises:
            PortTaken: Another program listens on the port.
            OSError: A folder that it needs cannot be made.
        """
        async with self._steering:
            if self._keeper is not None and not self._keeper.done():
                return
            await asyncio.to_thread(self.plan.prepare)
            await asyncio.to_thread(_check_port, self.plan.port)
            self.error = None
            await self._turn(ProcessState.STARTING)
            self._keeper = asyncio.create_task(self._keep(), name=f"comfyui process {self.plan.port}")

    async def stop(self) -> None:
        """End it and everything it started, politely first; cancelled in between, the rest is killed at once."""
        async with self._steering:
            keeper, self._keeper = self._keeper, None
            if keeper is None:
                return
            await self._turn(ProcessState.STOPPING)
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            await self._turn(ProcessState.STOPPED)

    async def restart(self) -> None:
        """Stop, then start."""
        await self.stop()
        await self.start()

    async def ready(self) -> None:
        """Wait until it answers.

        Raises:
            StartFailed, CrashLoop: It will not.
            ProcessError: It was stopped meanwhile, or never started.
        """
        async with self._news:
            while self._state is not ProcessState.READY:
                if self._state is ProcessState.FAILED and self.error is not None:
                    raise self.error
                if self._state in (ProcessState.STOPPED, ProcessState.STOPPING):
                    raise ProcessError("ComfyUI is not running.", hint="Start it first.")
                await self._news.wait()

    async def _keep(self) -> None:
        ends_s: deque[float] = deque(maxlen=self._pace.crashes)
        attempt = 0
        while True:
            began_s = monotonic_s()
            try:
                code = await self._run()
            except OSError as error:
                self.error = StartFailed(f"ComfyUI cannot be started: {error.strerror}.", hint="Check COMFYUI_DIR.")
                await self._turn(ProcessState.FAILED)
                return
            lived_s = monotonic_s() - began_s
            self.last_exit = Exit(code, lived_s, is_reboot=await asyncio.to_thread(self._took_reboot_mark))
            self.last_exit_at = utc_now()
            self.restarts += 1
            if self.last_exit.is_reboot:
                logger.info("ComfyUI asked to be started again")
                await self._turn(ProcessState.STARTING)
                continue
            logger.warning("ComfyUI %s after %.0f seconds", self.last_exit.reason, lived_s)
            if lived_s >= self._pace.steady_s:
                ends_s.clear()
                attempt = 0
            attempt += 1
            ends_s.append(monotonic_s())
            if len(ends_s) == self._pace.crashes and ends_s[-1] - ends_s[0] <= self._pace.within_s:
                self.error = self._crash_loop(self.last_exit)
                await self._turn(ProcessState.FAILED)
                return
            await self._turn(ProcessState.WAITING)
            pause_s = delay_s(attempt, base_s=self._pace.backoff_base_s, cap_s=self._pace.backoff_cap_s)
            await asyncio.sleep(pause_s)
            await self._turn(ProcessState.STARTING)

    async def _run(self) -> int:
        """Run the child once, to its end; return its exit code. Cancelled: it is stopped first."""
        child = self._child = await asyncio.create_subprocess_exec(
            *self.plan.bound_command(os.getpid()),
            cwd=self.plan.installation.directory,
            env=self.plan.child_environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        self.started_at = utc_now()
        assert child.stdout is not None
        reading = asyncio.create_task(self._read(child.stdout))
        greeting = asyncio.create_task(self._greet(child))
        try:
            return await child.wait()
        finally:
            greeting.cancel()
            try:
                await self._end(child)
            finally:
                _signal_group(child.pid, signal.SIGKILL)
                self._child = None
                with suppress(TimeoutError):
                    # What it started may hold the pipe open until the signal has reached it.
                    async with asyncio.timeout(1):
                        await reading
                reading.cancel()

    def _took_reboot_mark(self) -> bool:
        try:
            self.plan.reboot_mark.unlink()
        except OSError:
            return False
        return True

    async def _end(self, child: asyncio.subprocess.Process) -> None:
        if child.returncode is not None:
            return
        # SIGINT is the only signal that ComfyUI handles: it says goodbye to its clients and exits with 0.
        with suppress(ProcessLookupError):
            child.send_signal(signal.SIGINT)
        if await _ended(child, self._pace.interrupt_s):
            return
        _signal_group(child.pid, signal.SIGTERM)
        if await _ended(child, self._pace.terminate_s):
            return
        _signal_group(child.pid, signal.SIGKILL)
        await child.wait()

    async def _read(self, output: asyncio.StreamReader) -> None:
        while data := await output.read(_CHUNK_BYTES):
            self.log.feed(data)
        self.log.feed(b"", final=True)

    async def _greet(self, child: asyncio.subprocess.Process) -> None:
        client = ComfyUIClient(self.plan.url, timeouts=Timeouts(connect_s=1.0, idle_s=10.0))
        try:
            async with asyncio.timeout(self._pace.ready_s):
                while True:
                    with suppress(ComfyUIError):
                        await client.queue_remaining()
                        break
                    await asyncio.sleep(self._pace.poll_s)
            if child.returncode is None:
                await self._turn(ProcessState.READY)
        except TimeoutError:
            self.log.feed(f"Hearth: no answer within {self._pace.ready_s:.0f} seconds, ending it\n".encode())
            self.error = self._start_failed()
            _signal_group(child.pid, signal.SIGKILL)
        finally:
            await client.aclose()

    async def _turn(self, state: ProcessState) -> None:
        async with self._news:
            self._state = state
            self._news.notify_all()
        if self._on_change is not None:
            self._on_change(state)

    def _start_failed(self) -> StartFailed:
        message = f"ComfyUI did not answer within {self._pace.ready_s:.0f} seconds."
        return StartFailed(message, details={"log": [*self.log.tail(_LAST_LINES)]})

    def _crash_loop(self, last: Exit) -> CrashLoop:
        return CrashLoop(
            f"ComfyUI ended {self._pace.crashes} times within a short time; the last time it {last.reason}.",
            details={"exit_code": last.code, "log": [*self.log.tail(_LAST_LINES)]},
        )


async def _ended(child: asyncio.subprocess.Process, within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            await child.wait()
    except TimeoutError:
        return False
    return True


def _signal_group(pid: int, number: signal.Signals) -> None:
    """Signal everything that the child started and did not detach."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise PortTaken(f"Port {port} is taken by another program.", details={"port": port}) from None
