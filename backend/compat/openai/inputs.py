"""From OpenAI's fields to the inputs of a workflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.compat.errors import UnusableRequest
from backend.compat.openai.fields import ImageFields
from backend.compat.workflow import Values, Workflow
from backend.errors import JSON
from backend.generation.workflows import Role

# A workflow's own steps are what its author found good; these are multiples of them.
STEPS_BY_QUALITY: Mapping[str, float] = {"low": 0.5, "high": 1.5, "hd": 1.5, "xhigh": 2.0, "max": 3.0}


@dataclass(frozen=True, slots=True)
class Given:
    """Pictures of the request, as the workflow's inputs name them."""

    images: Sequence[JSON] = ()
    mask: JSON = None


def inputs_for(workflow: Workflow, fields: ImageFields, given: Given) -> dict[str, JSON]:
    """Return values for the inputs of *workflow*.

    Size and quality are wishes: a workflow that has no such input keeps its own. Everything else must find its place.

    Raises:
        UnusableRequest: A field has no place in this workflow.
    """
    values = Values(workflow)
    if fields.prompt and not values.put(Role.PROMPT, fields.prompt):
        raise _no_place(workflow, "prompt", "takes no prompt")
    if fields.width_height is not None:
        values.put_size(*fields.width_height)
    if fields.quality in STEPS_BY_QUALITY:
        values.scale(Role.STEPS, STEPS_BY_QUALITY[fields.quality])
    _put_pictures(values, given)
    for name, value in fields.others.items():
        if not values.put_named(name, value):
            raise _unknown(workflow, name)
    return values.complete(seeded=fields.seed is not None)


def _put_pictures(values: Values, given: Given) -> None:
    placed = values.put_all(Role.IMAGE, given.images)
    if placed < len(given.images):
        takes = "no picture" if not placed else f"{placed} picture{'s' if placed > 1 else ''}"
        raise _no_place(values.workflow, "image", f"takes {takes}, and {len(given.images)} were sent")
    if given.mask is not None and not values.put(Role.MASK, given.mask):
        raise _no_place(values.workflow, "mask", "takes no mask")


def _no_place(workflow: Workflow, field: str, reason: str) -> UnusableRequest:
    hint = "Choose another model; GET /v1/models lists what each one takes."
    return UnusableRequest(f"The workflow {workflow.id!r} {reason}.", field=field, hint=hint)


def _unknown(workflow: Workflow, name: str) -> UnusableRequest:
    known = ", ".join(field.name for field in workflow.fields)
    return UnusableRequest(
        f"Unknown parameter: {name[:100]!r}.", field=name, hint=f"The inputs of {workflow.id!r} are: {known}."
    )
