"""One measured figure with its target, and the table that shows them."""

from __future__ import annotations

import json
import math
import os
import resource
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
ARTIFACTS = ROOT / "test-artifacts"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number; ``at_most`` and ``at_least`` are its targets, in the same unit."""

    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def reached(self) -> bool:
        """Whether the targets are met; a figure without a target always is."""
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )


@dataclass(frozen=True, slots=True)
class Run:
    """What one child process cost."""

    seconds: float
    cpu_s: float
    rss_mb: float


def percentile(values: Iterable[float], share: float) -> float:
    """Return the value below which *share* (0 to 1) of *values* lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


def run_child(command: Sequence[str], **environ: str) -> Run:
    """Run a command to its end and return its cost, its children's included.

    Raises:
        CalledProcessError: It failed.
    """
    begin = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environ}, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - begin
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def own_cpu_s() -> float:
    """Return the processor seconds that this process has used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def show(figures: Sequence[Figure]) -> None:
    """Print the figures with their targets."""
    for figure in figures:
        target = "" if figure.at_most is None else f"at most {figure.at_most:g}"
        target = target if figure.at_least is None else f"at least {figure.at_least:g}"
        mark = " " if not target else "✓" if figure.reached else "✗"
        print(f"  {mark} {figure.name:<58} {figure.value:>9.3g} {figure.unit:<9} {target}", flush=True)


def save(figures: Sequence[Figure], name: str) -> Path:
    """Write the figures as JSON beside the other artefacts of the tests."""
    ARTIFACTS.mkdir(exist_ok=True)
    path = ARTIFACTS / name
    path.write_text(json.dumps([asdict(figure) for figure in figures], indent=2), "utf-8")
    return path
