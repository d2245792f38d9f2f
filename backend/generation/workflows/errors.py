"""What can go wrong with a workflow, from reading a file to binding values.

* WorkflowError
  * NotAWorkflow, NoWorkflowInside, WorkflowTooLarge, WorkflowDamaged    the file that was given
  * ConversionFailed, UnknownNodes                                      from the editor's format to the server's
  * InvalidInputs                                                       values that do not fit the inputs
  * WorkflowNotFound, WorkflowExists, WorkflowReadOnly, InvalidWorkflowName, WorkflowChanged, VersionNotFound,
    NothingInTrash, ThumbnailNotFound                                   the library
  * NotRequired, NoSourceKnown                                          files that a workflow needs
"""

from __future__ import annotations

from backend.errors import HearthError


class WorkflowError(HearthError):
    """Something about workflows."""

    code = "workflow_error"
    status = 400


class NotAWorkflow(WorkflowError):
    """The data is no workflow of ComfyUI in either format."""

    code = "not_a_workflow"
    status = 422
    default_hint = (
        "Save the workflow in ComfyUI (Save or Export (API)) and give that JSON, or a file that ComfyUI made."
    )


class NoWorkflowInside(WorkflowError):
    """A picture, video or sound can be read, but carries no workflow."""

    code = "no_workflow_inside"
    status = 422
    default_hint = "Take the file as ComfyUI wrote it: editors, chats and web sites strip the workflow."


class WorkflowTooLarge(WorkflowError):
    """The workflow, or the file that may carry it, is larger than anything sensible."""

    code = "workflow_too_large"
    status = 413
    default_hint = "Remove embedded pictures from the workflow, or give the workflow's JSON itself."


class WorkflowDamaged(WorkflowError):
    """The file ends too early or contradicts itself."""

    code = "workflow_damaged"
    status = 422
    default_hint = "Copy the file again from where it was made."


class ConversionFailed(WorkflowError):
    """The workflow cannot be brought into the format that the server runs; details.problems says where."""

    code = "conversion_failed"
    status = 422
    default_hint = "Open the workflow in ComfyUI, repair the nodes named in details.problems and save it again."


class UnknownNodes(ConversionFailed):
    """The workflow uses nodes that this ComfyUI does not have; details.nodes lists them."""

    code = "unknown_nodes"
    default_hint = "Install the custom nodes, or a ComfyUI new enough to have them."


class InvalidInputs(WorkflowError):
    """Values do not fit the workflow's inputs; details.fields has one reason per field."""

    code = "invalid_inputs"
    status = 422
    default_hint = "Correct the fields in details.fields; the workflow's schema says what each one takes."


class WorkflowNotFound(WorkflowError):
    """No workflow has this id."""

    code = "workflow_not_found"
    status = 404
    default_hint = "List the ids with GET /api/workflows."


class WorkflowExists(WorkflowError):
    """A workflow with this id is there already."""

    code = "workflow_exists"
    status = 409
    default_hint = "Choose another name, or save over it."


class WorkflowReadOnly(WorkflowError):
    """An official template cannot be changed."""

    code = "workflow_read_only"
    status = 409
    default_hint = "Save it under a name of your own and change that one."


class WorkflowChanged(WorkflowError):
    """The workflow was changed by somebody else since it was read."""

    code = "workflow_changed"
    status = 412
    default_hint = "Read the workflow again and put your change on top of it."


class InvalidWorkflowName(WorkflowError):
    """A name or folder cannot be used in the library."""

    code = "invalid_workflow_name"
    status = 422
    default_hint = "Use letters, digits and - in the name, and at most one folder."


class VersionNotFound(WorkflowError):
    """The workflow has no such version."""

    code = "workflow_version_not_found"
    status = 404
    default_hint = "List the versions of the workflow."


class NothingInTrash(WorkflowError):
    """No deleted workflow of this id is in the trash."""

    code = "workflow_not_in_trash"
    status = 404
    default_hint = "List what is in the trash."


class ThumbnailNotFound(WorkflowError):
    """The workflow has no picture."""

    code = "workflow_thumbnail_not_found"
    status = 404
    default_hint = "Give it one with PUT /api/workflows/{id}/thumbnail."


class NotRequired(WorkflowError):
    """The workflow does not need a file of this name, or has it already; details: ``files``."""

    code = "file_not_required"
    status = 422
    default_hint = "List what is missing with GET /api/workflows/{id}/requirements."


class NoSourceKnown(WorkflowError):
    """Neither the workflow nor a preset says where this file can be had."""

    code = "no_source_known"
    status = 404
    default_hint = (
        "Look at the workflow's notes for the file's address, and download it with POST /api/downloads/start."
    )
