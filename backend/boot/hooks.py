"""Run the user's scripts of the start in the order of their names; a script that fails is told of, the next one runs."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from backend.boot import timeline
from backend.boot.environment import places_of

_STOPPING = (signal.SIGTERM, signal.SIGINT)


def scripts(folder: Path) -> list[Path]:
    """Return what is run: programs, and files whose names end in ``.sh``; hidden files are not."""
    try:
        found = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError:
        return []
    return [path for path in found if path.suffix == ".sh" or os.access(path, os.X_OK)]


def run(phase: str, environ: Mapping[str, str]) -> int:
    """Run the scripts of *phase*, their output going to this process's; return how many failed. Blocking.

    Interrupted, the script that runs is told to end, and the rest are left out.
    """
    places = places_of(environ)
    failed = 0
    for script in scripts(places.hooks / f"{phase}.d"):
        began = timeline.now_ms()
        _say(f"{phase} hook {script.name}")
        code = spawn(command_of(script), environ)
        if code:
            failed += 1
            _say(f"{phase} hook {script.name} ended with code {code}")
        timeline.append(places.timeline, f"{phase} {script.name}", began, timeline.now_ms(), {"code": code})
    return failed


def command_of(script: Path) -> list[str]:
    """Return how *script* is run, whether or not its volume keeps executable bits."""
    return [str(script)] if os.access(script, os.X_OK) else ["/bin/sh", str(script)]


def spawn(command: list[str], environ: Mapping[str, str]) -> int:
    """Run *command* to its end in a group of its own and return its exit code; a signal to us goes to that group, too."""
    # Held back until somebody can pass them on: the child must not outlive a signal that comes right now.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    try:
        child = os.posix_spawnp(command[0], command, dict(environ), setpgroup=0, setsigmask=())
    except OSError as error:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
        _say(f"{command[0]}: {error.strerror}")
        return 127

    def stop(number: int, _frame: object) -> None:
        os.killpg(child, signal.SIGTERM)
        os._exit(128 + number)

    before = {number: signal.signal(number, stop) for number in _STOPPING}
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
    try:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    sys.stderr.write(f"[hearth] {text}\n")
    sys.stderr.flush()
