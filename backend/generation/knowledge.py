"""What the ComfyUIs of this Hearth can do, for those who look at workflows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from backend.comfyui import ObjectInfo
from backend.generation.errors import BackendsUnknown, NoBackend
from backend.generation.service import GenerationService

_STARTING_S = 2


class Knowledge:
    """Ask the backends of *generation*."""

    def __init__(self, generation: GenerationService) -> None:
        self._generation = generation

    def known(self) -> Sequence[ObjectInfo]:
        """Return what each backend can do that has ever answered; equal ones once.

        Raises:
            NoBackend: There is none.
            BackendsUnknown: None has answered yet.
        """
        backends = [self._generation.backend(each.id) for each in self._generation.backends()]
        if not backends:
            raise NoBackend("There is no ComfyUI that could tell what the nodes of workflows mean.")
        infos = {backend.info.version: backend.info for backend in backends if backend.info is not None}
        if not infos:
            raise BackendsUnknown("No ComfyUI has told its nodes yet.", details={"retry_after_s": _STARTING_S})
        return list(infos.values())

    async def refresh(self) -> None:
        """Ask every backend again; what one knew before stays when it does not answer."""
        backends = [self._generation.backend(each.id) for each in self._generation.backends()]
        await asyncio.gather(*(backend.refresh() for backend in backends))
