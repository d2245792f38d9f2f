"""Docker, as the image tests need it: with buildx and compose, found on the machine or brought up beside it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = Path(__file__).parent / "engine.sh"
# Taken before the tests' own environment is cleaned.
ENVIRON = dict(os.environ)
_UP_S = 400


class EngineMissing(Exception):
    """No Docker could be found or brought up; the message says why."""


@dataclass(frozen=True)
class Engine:
    """One Docker.

    Args:
        environ: What its client needs.
        is_own: It came out of ``engine.sh``, and so did its cache.
        was_started: It was down before, and is to be down afterwards.
    """

    environ: dict[str, str]
    is_own: bool = False
    was_started: bool = False

    def run(
        self, *args: str, timeout: float = 120, check: bool = True, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run ``docker ARGS``; a failure shows what it printed."""
        done = subprocess.run(
            ["docker", *args], env={**self.environ, **environ}, capture_output=True, text=True, timeout=timeout,
            check=False, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(
                f"docker {' '.join(args)}: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
            )
        return done

    def out(self, *args: str, timeout: float = 120) -> str:
        """Return what ``docker ARGS`` prints."""
        return self.run(*args, timeout=timeout).stdout.strip()


def client() -> Engine:
    """Return a Docker whose client and buildx work; its daemon may be down. Bring up our own where there is none."""
    here = Engine(ENVIRON)
    if "HEARTH_ENGINE" not in ENVIRON and _works(here, "buildx", "version"):
        return here
    return bring_up()


def bring_up() -> Engine:
    """Return a Docker that builds and runs.

    Raises:
        EngineMissing: The machine has none, and ``engine.sh`` cannot make one.
    """
    here = Engine(ENVIRON)
    if "HEARTH_ENGINE" not in ENVIRON and _works(here, "version") and _works(here, "buildx", "version"):
        return here
    up = subprocess.run(
        ["bash", str(_SCRIPT), "up"], env=ENVIRON, capture_output=True, text=True, timeout=_UP_S, check=False
    )
    if up.returncode:
        raise EngineMissing(f"tests/images/engine.sh could not bring Docker up:\n{up.stderr[-3000:]}")
    lines = subprocess.check_output(["bash", str(_SCRIPT), "env"], env=ENVIRON, text=True).splitlines()
    environ = {**ENVIRON, **dict(line.split("=", 1) for line in lines)}
    return Engine(environ, is_own=True, was_started="is up" in up.stderr)


def put_down(engine: Engine) -> None:
    """Stop the daemon if it was started for this; what it built stays for the next time."""
    if engine.was_started:
        subprocess.run(["bash", str(_SCRIPT), "down"], env=ENVIRON, capture_output=True, timeout=60, check=False)


def _works(engine: Engine, *args: str) -> bool:
    try:
        return engine.run(*args, timeout=30, check=False).returncode == 0
    except OSError:
        return False
