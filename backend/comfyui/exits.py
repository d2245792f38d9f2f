"""How a child ended, in words."""

from __future__ import annotations

import signal
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Exit:
    """How the child ended; ``code`` is negative for a signal, as the operating system has it.

    ``is_reboot`` when it ended in order to be started again, as ComfyUI-Manager does after an installation.
    """

    code: int
    after_s: float
    is_reboot: bool = False

    @property
    def reason(self) -> str:
        """Return what the code means, in words."""
        if self.code in _REASONS:
            return _REASONS[self.code]
        if self.code < 0:
            with suppress(ValueError):
                return f"ended by {signal.Signals(-self.code).name}"
        return f"ended with code {self.code}"


_REASONS = {
    0: "ended by itself",
    1: "could not start, or failed; its log says why",
    -signal.SIGKILL: "was killed, most likely because the machine ran out of memory",
    137: "was killed, most likely because the machine ran out of memory",
    -signal.SIGABRT: "aborted in native code",
    134: "aborted in native code",
    -signal.SIGSEGV: "crashed in native code (segmentation fault)",
    139: "crashed in native code (segmentation fault)",
    -signal.SIGBUS: "crashed in native code (bus error)",
    -signal.SIGTERM: "was terminated",
    143: "was terminated",
    -signal.SIGINT: "was interrupted",
}
