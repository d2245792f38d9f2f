"""Graphics cards as ``nvidia-smi`` reports them, asked rarely and never waited for long."""

from __future__ import annotations

import shutil
import subprocess
import threading
from dataclasses import dataclass

from backend.kit.clock import monotonic_s

_FIELDS = (
    "index", "name", "driver_version", "memory.total", "memory.used", "utilization.gpu", "temperature.gpu", "power.draw",
)  # fmt: skip
_TIMEOUT_S = 5.0
_FRESH_S = 2.0  # one question takes 20-500 ms of processor time, so many watchers share an answer
_RETRY_S = 60.0  # after a failure: a driver that hangs must not collect processes
_MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Gpu:
    """One card; what its driver does not tell is None."""

    index: int
    name: str
    driver: str | None
    memory_total_bytes: int | None
    memory_used_bytes: int | None
    utilization_percent: float | None
    temperature_c: float | None
    power_w: float | None


@dataclass(frozen=True, slots=True)
class GpuAnswer:
    """The cards, or the reason why nothing is known about them."""

    gpus: tuple[Gpu, ...]
    reason: str | None = None


class GpuReader:
    """Ask ``nvidia-smi``, at most once in two seconds, and for a minute not again after a failure; safe in threads.

    Args:
        command: Name or path of the program.
    """

    def __init__(self, command: str = "nvidia-smi", *, timeout_s: float = _TIMEOUT_S) -> None:
        self._command = command
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._answer = GpuAnswer(())
        self._valid_until_s = 0.0

    def read(self) -> GpuAnswer:
        """Return the newest answer; blocking for at most the timeout."""
        with self._lock:
            if monotonic_s() >= self._valid_until_s:
                self._answer = self._ask()
                self._valid_until_s = monotonic_s() + (_RETRY_S if self._answer.reason else _FRESH_S)
            return self._answer

    def _ask(self) -> GpuAnswer:
        program = shutil.which(self._command)
        if program is None:
            return GpuAnswer((), "nvidia-smi is not installed, so no NVIDIA card can be read.")
        arguments = [program, f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits"]
        try:
            done = subprocess.run(  # noqa: S603 -- a fixed program with fixed arguments
                arguments,
                capture_output=True,
                text=True,
                timeout=self._timeout_s,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            return GpuAnswer((), f"nvidia-smi did not answer within {self._timeout_s:g} seconds.")
        except OSError as error:
            return GpuAnswer((), f"nvidia-smi cannot be run: {error.strerror or error}.")
        if done.returncode != 0:
            said = (done.stdout or done.stderr).strip().splitlines()
            return GpuAnswer((), f"nvidia-smi ended with {done.returncode}: {said[0] if said else 'no output'}")
        gpus = tuple(gpu for gpu in map(_parse, done.stdout.splitlines()) if gpu is not None)
        return GpuAnswer(gpus, None if gpus else "nvidia-smi lists no card.")


def _parse(line: str) -> Gpu | None:
    values = [value.strip() for value in line.split(",")]
    if len(values) != len(_FIELDS) or not values[0].isdigit():
        return None
    total, used, utilization, temperature, power = map(_measured, values[3:])
    return Gpu(
        index=int(values[0]),
        name=values[1],
        driver=values[2] if not values[2].startswith("[") else None,
        memory_total_bytes=None if total is None else int(total * _MIB),
        memory_used_bytes=None if used is None else int(used * _MIB),
        utilization_percent=utilization,
        temperature_c=temperature,
        power_w=power,
    )


def _measured(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None  # "[N/A]", "[Not Supported]", "[Unknown Error]"
