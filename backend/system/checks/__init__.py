"""Look at an installation as a helpful colleague would: each check says what it found and how to mend it.

A check is a plain blocking function over :class:`Installation`; it never raises and never changes anything.
"""

from __future__ import annotations

from backend.system.checks import container, graphics, installation, machine, owner, volume
from backend.system.checks.finding import Check, CheckState
from backend.system.checks.installation import Installation
from backend.system.checks.speed import VolumeSpeed, measure_volume, speed_checks

__all__ = [
    "Check",
    "CheckState",
    "Installation",
    "VolumeSpeed",
    "measure_volume",
    "run_checks",
    "speed_checks",
]

_CHECKS = (
    *installation.CHECKS, *owner.CHECKS, *volume.CHECKS, *container.CHECKS, *machine.CHECKS, *graphics.CHECKS,
)  # fmt: skip


def run_checks(installation: Installation) -> list[Check]:
    """Run every check in order; blocking."""
    return [finding for check in _CHECKS for finding in check(installation)]
