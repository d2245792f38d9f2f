"""Which ComfyUI answers for what Hearth itself does not know."""

from __future__ import annotations

from backend.compat.comfyui.errors import NoComfyUI
from backend.generation import Backend, BackendState, GenerationService

_ORDER = (BackendState.READY, BackendState.BUSY, BackendState.STUCK)


def first_healthy(generation: GenerationService) -> Backend:
    """Return the first backend that answers, in the order of the settings.

    Raises:
        NoComfyUI: None does.
    """
    shown = generation.backends()
    for wanted in (_ORDER[:2], _ORDER[2:]):
        for each in shown:
            if each.state in wanted:
                return generation.backend(each.id)
    raise NoComfyUI("No ComfyUI answers." if shown else "Hearth has no ComfyUI.")
