"""What the ComfyUIs that are there make of a workflow: its graph, its inputs, and what is missing for it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from backend.comfyui import ObjectInfo
from backend.errors import HearthError
from backend.generation.workflows.document import Document
from backend.generation.workflows.errors import ConversionFailed
from backend.generation.workflows.inputs import Role
from backend.generation.workflows.library import Entry, Stored, WorkflowLibrary
from backend.generation.workflows.prepare import Prepared, prepare
from backend.generation.workflows.requirements import Requirements, find_requirements, installed_of, missing_nodes

_MAX_WHOLE = 64
_MAX_VERDICTS = 4096


@dataclass(frozen=True, slots=True)
class Understood:
    """A workflow before one ComfyUI; without ``prepared`` there is an ``error`` that says why."""

    prepared: Prepared | None
    error: HearthError | None
    requirements: Requirements
    can_run: bool

    def ready(self) -> Prepared:
        """Return the graph and the inputs.

        Raises:
            WorkflowError: The workflow cannot be converted.
        """
        if self.prepared is None:
            assert self.error is not None
            raise self.error
        return self.prepared


class Understanding:
    """Prepare workflows of *library*, and keep the result until a file or the nodes change. Every method blocks."""

    def __init__(self, library: WorkflowLibrary) -> None:
        self._library = library
        self._whole: OrderedDict[tuple[str, str, str], Understood] = OrderedDict()
        self._verdicts: OrderedDict[tuple[str, str, str], bool] = OrderedDict()
        self._installed: dict[str, dict[str, set[str]]] = {}
        self._lock = threading.Lock()

    def of(self, stored: Stored, infos: Sequence[ObjectInfo]) -> Understood:
        """Return how the ComfyUI that lacks least for a workflow sees it."""
        every = [self._of(stored, info) for info in infos]
        return min(every, key=lambda each: (len(each.requirements.nodes), len(each.requirements.missing_models)))

    def can_run(self, entry: Entry, infos: Sequence[ObjectInfo]) -> bool:
        """Tell whether some ComfyUI has all that a workflow needs; it is read only when that is not known yet."""
        if entry.problem is not None:
            return False
        known = [self._verdicts.get(_key(entry, info)) for info in infos]
        if any(known):
            return True
        if None not in known:
            return False
        try:
            return self.of(self._library.get(entry.id), infos).can_run
        except HearthError:
            return False  # changed or gone between the two looks

    def _of(self, stored: Stored, info: ObjectInfo) -> Understood:
        key = _key(stored.entry, info)
        with self._lock:
            found = self._whole.get(key)
            if found is not None:
                self._whole.move_to_end(key)
                return found
        found = _understood(stored, info, self._installed_on(info))
        with self._lock:
            self._whole[key] = found
            self._verdicts[key] = found.can_run
            for kept, limit in ((self._whole, _MAX_WHOLE), (self._verdicts, _MAX_VERDICTS)):
                while len(kept) > limit:
                    kept.popitem(last=False)
        return found

    def _installed_on(self, info: ObjectInfo) -> dict[str, set[str]]:
        found = self._installed.get(info.version)
        if found is None:
            found = installed_of(info.document)
            others = list(self._installed.items())[-3:]  # a few ComfyUIs; what an older list had is of no use
            self._installed = {**dict(others), info.version: found}
        return found


def _key(entry: Entry, info: ObjectInfo) -> tuple[str, str, str]:
    return entry.id, entry.etag, info.version


def _understood(stored: Stored, info: ObjectInfo, installed: dict[str, set[str]]) -> Understood:
    prepared, error = None, None
    try:
        prepared = prepare(stored.document, info.document)
    except HearthError as refusal:
        error = refusal
    needs = _needs(stored.document, prepared, info, installed)
    runs = prepared is not None and (
        needs.is_met or (stored.entry.is_shipped and _takes_any_checkpoint(prepared, needs))
    )
    return Understood(prepared, error, needs, runs)


def _needs(
    document: Document, prepared: Prepared | None, info: ObjectInfo, installed: dict[str, set[str]]
) -> Requirements:
    graph = None if prepared is None else prepared.graph
    try:
        return find_requirements(document, graph, info.document, installed)
    except ConversionFailed:  # subgraphs within themselves: what their nodes need cannot be told
        return Requirements(missing_nodes(document, info.document), (), ())


def _takes_any_checkpoint(prepared: Prepared, needs: Requirements) -> bool:
    """Tell whether all that is missing is a checkpoint, and another one is there: the shipped ones mean none in particular."""
    checkpoints = any(field.role is Role.CHECKPOINT and field.choices for field in prepared.fields)
    return checkpoints and not needs.nodes and all(need.directory == "checkpoints" for need in needs.missing_models)
