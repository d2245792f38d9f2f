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
    """One Docker: the environment that its client needs, and whether it is ours to stop."""

    environ: dict[str, str]
    is_own: bool

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
    here = Engine(ENVIRON, is_own=False)
    if "HEARTH_ENGINE" not in ENVIRON and _works(here, "buildx", "version"):
        return here
    return bring_up()


def bring_up() -> Engine:
    """Return a Docker that builds and runs.

    Raises:
        EngineMissing: The machine has none, and ``engine.sh`` cannot make one.
    """
    here = Engine(ENVIRON, is_own=False)
    if "HEARTH_ENGINE" not in ENVIRON and _works(here, "version") and _works(here, "buildx", "version"):
        return here
    up = subprocess.run(
        ["bash", str(_SCRIPT), "up"], env=ENVIRON, capture_output=True, text=True, timeout=_UP_S, check=False
    )
    if up.returncode:
        raise EngineMissing(f"tests/images/engine.sh could not bring Docker up:\n{up.stderr[-3000:]}")
    lines = subprocess.check_output(["bash", str(_SCRIPT), "env"], env=ENVIRON, text=True).splitlines()
    return Engine({**ENVIRON, **dict(line.split("=", 1) for line in lines)}, is_own=True)


def put_down(engine: Engine) -> None:
    """Stop the daemon if it is ours; what it built stays for the next time."""
    if engine.is_own:
        subprocess.run(["bash", str(_SCRIPT), "down"], env=ENVIRON, capture_output=True, timeout=60, check=False)


def _works(engine: Engine, *args: str) -> bool:
    try:
        return engine.run(*args, timeout=30, check=False).returncode == 0
    except OSError:
        return False
