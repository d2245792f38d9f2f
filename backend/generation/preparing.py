"""Make requests ready: workflows of the library with values for their inputs, documents of the editor, graphs."""

from __future__ import annotations

import asyncio

from backend.comfyui import ObjectInfo
from backend.errors import JSON
from backend.generation.errors import InvalidGeneration
from backend.generation.prompts import prepare_prompt
from backend.generation.request import NewGeneration, Prepared
from backend.generation.workflows import Kind, NotAWorkflow, Stored, WorkflowLibrary, bind, document_of, prepare

_BESIDE_INPUTS = frozenset({"n", "seeds"})
_NO_WORKFLOW = "The workflow is in none of ComfyUI's formats."


class Preparer:
    """Read workflows from *library*."""

    def __init__(self, library: WorkflowLibrary) -> None:
        self._library = library

    async def __call__(self, new: NewGeneration, info: ObjectInfo | None) -> Prepared:
        """Make the first take of *new* ready; conversion of large workflows takes tens of milliseconds, off the loop.

        Raises:
            WorkflowError: There is no such workflow, it cannot be converted, or values do not fit its inputs.
            InvalidInput: The graph is none.
            InvalidGeneration: Something stands among the inputs that belongs beside them.
        """
        if new.prompt is not None:
            return prepare_prompt(new)
        misplaced = sorted(_BESIDE_INPUTS & new.inputs.keys())
        if misplaced:
            raise InvalidGeneration(f"{misplaced[0]} stands among the inputs.", hint="Give n and seed beside inputs.")
        assert info is not None
        return await asyncio.to_thread(self._workflow, new, info)

    def _workflow(self, new: NewGeneration, info: ObjectInfo) -> Prepared:
        stored: Stored | None = None
        if new.workflow_id is not None:
            stored = self._library.get(new.workflow_id)
            document = stored.document
        else:
            found = document_of(new.workflow)
            if found is None:
                raise NotAWorkflow(_NO_WORKFLOW)
            document = found
        ready = prepare(document, info.document)
        values: dict[str, JSON] = dict(new.inputs)
        seed_field = next((field.name for field in ready.fields if field.kind is Kind.SEED), None)
        if new.seed is not None and seed_field is not None:
            values[seed_field] = new.seed
        bound = bind(ready.graph, ready.fields, values)[0]
        title = new.title or (stored.entry.name if stored is not None else "Workflow")
        version = None if stored is None else str(stored.version)
        return Prepared(bound.graph, title, new.workflow_id, version, bound.values, bound.seed)
