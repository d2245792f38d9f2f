"""A simulated ComfyUI in a process of its own, so that neither its time nor its memory is counted as Hearth's.

``python -m tests.benchmarks.simulated FOLDER`` prints its address and serves until its standard input is closed.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.figures import ROOT
from tests.fakes.comfyui import SimulatedComfyUI


@contextlib.contextmanager
def simulated(folder: Path) -> Iterator[str]:
    """Run one for as long as the context lasts; yields its address."""
    command = [sys.executable, "-m", "tests.benchmarks.simulated", str(folder)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(timeout=20)


def main() -> None:
    """Serve one ComfyUI."""
    with SimulatedComfyUI(Path(sys.argv[1])) as comfyui:
        print(comfyui.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
