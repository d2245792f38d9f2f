"""NVIDIA cards with driver and compute capability, asked of ``nvidia-smi`` once per process: they do not change."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from functools import cache

_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Card:
    """One card; the capability is empty where the driver is too old to tell it."""

    name: str
    driver: str
    capability: str = ""


@dataclass(frozen=True, slots=True)
class Cards:
    """The cards, or the reason why nothing is known about them."""

    cards: tuple[Card, ...]
    reason: str = ""


@cache
def read_cards(command: str = "nvidia-smi") -> Cards:
    """Ask the driver; blocking, for at most ten seconds."""
    program = shutil.which(command)
    if program is None:
        return Cards((), "nvidia-smi is not installed.")
    for fields in ("name,driver_version,compute_cap", "name,driver_version"):  # the latter for drivers before 470
        answer = _ask(program, fields)
        if isinstance(answer, list):
            cards = tuple(Card(*(part.strip() for part in line.split(","))) for line in answer if line.count(",") >= 1)
            return Cards(cards, "" if cards else "nvidia-smi lists no card.")
        if answer.startswith("timeout"):
            break
    return Cards((), f"nvidia-smi does not answer: {answer}")


def _ask(program: str, fields: str) -> list[str] | str:
    try:
        done = subprocess.run(  # noqa: S603 -- a fixed program with fixed arguments
            [program, f"--query-gpu={fields}", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return f"timeout after {_TIMEOUT_S:.0f} seconds."
    except OSError as error:
        return f"{error.strerror or error}."
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip().splitlines()
        return said[-1] if said else f"it ended with code {done.returncode}."
    return [line for line in done.stdout.splitlines() if line.strip()]
