"""What is missing for a workflow here, and how to get it: one call queues all of it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from backend.errors import JSON, HearthError
from backend.generation.workflows.asking import Asking
from backend.generation.workflows.errors import NoSourceKnown, NotRequired
from backend.generation.workflows.library import Stored, WorkflowLibrary
from backend.generation.workflows.offers import Offers, place_of
from backend.generation.workflows.ports import Ask, Downloads, Find, Nodes, Place
from backend.generation.workflows.requirements import ModelNeed, Offer, resolve
from backend.generation.workflows.understanding import Understanding, Understood
from backend.generation.workflows.view import (
    QueuedFiles,
    RequirementsShown,
    file_of,
    model_of,
    problem_of,
    requirements_of,
)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A needed file, where it can be had, where it belongs, and whether it lies there."""

    need: ModelNeed
    offer: Offer | None
    place: Place
    on_disk: bool

    @property
    def file(self) -> str:
        return file_of(self.need, self.offer)

    @property
    def is_to_fetch(self) -> bool:
        return not self.need.is_present and not self.on_disk


class Needs:
    """Compare workflows with what is here.

    Args:
        find: Finds a file in the model folders; blocking.
        ask: Asks a host about a file.
    """

    def __init__(
        self,
        library: WorkflowLibrary,
        understanding: Understanding,
        nodes: Nodes,
        *,
        offers: Offers,
        find: Find,
        ask: Ask,
        downloads: Downloads,
    ) -> None:
        self._library = library
        self._understanding = understanding
        self._nodes = nodes
        self._offers = offers
        self._find = find
        self._asking = Asking(ask)
        self._downloads = downloads

    async def show(self, workflow_id: str) -> RequirementsShown:
        """Show what a workflow needs; hosts are asked for sizes that nobody else knows, for 4 s at most.

        Raises:
            WorkflowNotFound: There is none.
            NoBackend, BackendsUnknown: There is no ComfyUI to compare it with, or none has answered yet.
        """
        understood, wanted = await self._current(workflow_id)
        missing = [each for each in wanted if each.is_to_fetch]
        offers = await self._asking.complete(each.offer for each in missing if each.offer is not None)
        models = [model_of(each.need, _completed(each, offers), on_disk=each.on_disk) for each in wanted]
        preset_id = await asyncio.to_thread(self._covering, missing)
        return requirements_of(
            understood.requirements, models, can_run=understood.can_run, preset_id=preset_id, error=understood.error
        )

    async def download(self, workflow_id: str, files: Collection[str] | None = None) -> list[QueuedFiles]:
        """Queue what is missing: a preset when one brings just these files, else one job for each file.

        A file that is refused has an error and stops no other.

        Args:
            files: Only these of the missing ones, as ``directory/name`` or by name; all when left out.
        Raises:
            WorkflowNotFound: There is none.
            NotRequired: One of *files* is not missing; nothing was queued.
            NoBackend, BackendsUnknown: There is no ComfyUI to compare it with, or none has answered yet.
        """
        _, wanted = await self._current(workflow_id)
        chosen = _chosen([each for each in wanted if each.is_to_fetch], files)
        preset_id = await asyncio.to_thread(self._covering, chosen)
        if preset_id is not None:
            job = await self._downloads.download_preset(preset_id)
            return [QueuedFiles([each.file for each in chosen], job, None)]
        return [await self._queued(each) for each in chosen]

    async def _current(self, workflow_id: str) -> tuple[Understood, list[_Wanted]]:
        stored = await asyncio.to_thread(self._library.get, workflow_id)
        understood, wanted = await self._look(stored)
        if any(each.on_disk and not each.need.is_present for each in wanted):
            await self._nodes.refresh()  # it has come since ComfyUI was asked the last time
            understood, wanted = await self._look(stored)
        return understood, wanted

    async def _look(self, stored: Stored) -> tuple[Understood, list[_Wanted]]:
        infos = self._nodes.known()

        def look() -> tuple[Understood, list[_Wanted]]:
            understood = self._understanding.of(stored, infos)
            needs = understood.requirements
            found = resolve(needs.models, needs.embedded, presets=self._offers.preset, known=self._offers.known)
            return understood, [self._placed(need, offer) for need, offer in found]

        return await asyncio.to_thread(look)

    def _placed(self, need: ModelNeed, offer: Offer | None) -> _Wanted:
        directory = need.directory or (offer.directory if offer is not None else "")
        place = place_of(directory, need.name)
        return _Wanted(need, offer, place, bool(directory) and self._find(*place) is not None)

    def _covering(self, wanted: Sequence[_Wanted]) -> str | None:
        if not wanted or any(each.offer is None or each.offer.preset_id is None for each in wanted):
            return None
        return self._offers.covering({each.place for each in wanted})

    async def _queued(self, wanted: _Wanted) -> QueuedFiles:
        try:
            if wanted.offer is None:
                raise NoSourceKnown(f"Nobody says where {wanted.file} can be had.", details={"file": wanted.file})
            directory, name = wanted.place
            job = await self._downloads.download_url(wanted.offer.url, directory, name, wanted.offer.sha256)
        except HearthError as error:
            return QueuedFiles([wanted.file], None, problem_of(error))
        return QueuedFiles([wanted.file], job, None)


def _completed(wanted: _Wanted, offers: Mapping[str, Offer]) -> Offer | None:
    return None if wanted.offer is None else offers.get(wanted.offer.url, wanted.offer)


def _chosen(missing: Sequence[_Wanted], files: Collection[str] | None) -> Sequence[_Wanted]:
    if files is None:
        return missing
    unknown: list[JSON] = [name for name in files if not any(name in (each.file, each.need.name) for each in missing)]
    if unknown:
        raise NotRequired(f"The workflow does not miss {unknown[0]}.", details={"files": unknown})
    return [each for each in missing if each.file in files or each.need.name in files]
