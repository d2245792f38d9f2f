"""What the page for generating gets to show; see ``contexts``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from backend.errors import JSON
from backend.generation import GenerationJob, NodeShown
from backend.generation.results import ItemShown
from backend.generation.workflows.view import RequirementsShown, WorkflowSummary
from backend.web.contexts import Context


@dataclass(frozen=True, slots=True)
class Blank:
    """One field of the form: ``control`` says how it is asked for, ``value`` what stands in it.

    ``attributes`` are those of the control; ``choices`` are value, label and whether it is chosen; ``given`` is the id of a
    result that is used as the file.
    """

    name: str
    label: str
    control: str
    value: str
    is_advanced: bool
    hint: str
    attributes: Mapping[str, JSON]
    choices: Sequence[tuple[str, str, bool]]
    problem: str
    given: str = ""


@dataclass(frozen=True, slots=True)
class Size:
    """A size in pixels that the workflow can make."""

    label: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """Names of the inputs that hold the sides, and sizes of about the area that the workflow is made for."""

    width: str
    height: str
    presets: Sequence[Size]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that did not work, and what to do about it."""

    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class GenerateForm(Context):
    """The inputs of one workflow."""

    template = "components/generate-form.html"
    is_part = True

    workflow: Annotated[WorkflowSummary | None, "What will run; None as long as nothing is chosen."]
    blanks: Annotated[Sequence[Blank], "Its inputs in their order."]
    sizes: Annotated[Sizes | None, "Sizes to choose from, where it has a width and a height."]
    takes: Annotated[str, "How many takes are asked for."]
    needs: Annotated[RequirementsShown | None, "What is missing for it; None when nothing is."]
    trouble: Annotated[Trouble | None, "Why it cannot run, or was refused."]
    picture: Annotated[ItemShown | None, "A result that is to be used as an input."]


@dataclass(frozen=True, slots=True)
class GenerateStage(Context):
    """The job that is looked at, and those that wait behind it."""

    template = "components/generate-stage.html"
    is_part = True

    job: Annotated[GenerationJob | None, "The job on the stage."]
    nodes: Annotated[Sequence[NodeShown], "Its nodes in an order in which they can run, while it runs."]
    waiting: Annotated[Sequence[GenerationJob], "Other jobs that wait or run, in their order."]
    latest: Annotated[Sequence[ItemShown], "What was made last."]
    here: Annotated[str, "Address of this part, to ask for it again."]
    can_generate: Annotated[bool, "Whether there is a ComfyUI to run on."]


@dataclass(frozen=True, slots=True)
class GeneratePicker(Context):
    """The list of workflows."""

    template = "components/generate-picker.html"
    is_part = True

    workflows: Annotated[Sequence[WorkflowSummary], "Workflows that match."]
    total: Annotated[int, "How many match in all."]
    q: Annotated[str, "What was searched for."]
    picture: Annotated[ItemShown | None, "A result that is to be used as an input."]


@dataclass(frozen=True, slots=True)
class GeneratePage(Context):
    """Choose a workflow, fill it in, run it, watch it."""

    template = "pages/generate.html"
    nav = "generate"

    workflow: Annotated[WorkflowSummary | None, "What will run; None as long as nothing is chosen."]
    blanks: Annotated[Sequence[Blank], "Its inputs in their order."]
    sizes: Annotated[Sizes | None, "Sizes to choose from, where it has a width and a height."]
    takes: Annotated[str, "How many takes are asked for."]
    needs: Annotated[RequirementsShown | None, "What is missing for it; None when nothing is."]
    trouble: Annotated[Trouble | None, "Why it cannot run, or was refused."]
    picture: Annotated[ItemShown | None, "A result that is to be used as an input."]
    job: Annotated[GenerationJob | None, "The job on the stage."]
    nodes: Annotated[Sequence[NodeShown], "Its nodes in an order in which they can run, while it runs."]
    waiting: Annotated[Sequence[GenerationJob], "Other jobs that wait or run, in their order."]
    latest: Annotated[Sequence[ItemShown], "What was made last."]
    here: Annotated[str, "Address of the stage, to ask for it again."]
    can_generate: Annotated[bool, "Whether there is a ComfyUI to run on."]
    workflows: Annotated[Sequence[WorkflowSummary], "Workflows that match."]
    total: Annotated[int, "How many match in all."]
    q: Annotated[str, "What was searched for."]
