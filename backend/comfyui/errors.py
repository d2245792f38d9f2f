"""Why ComfyUI did not make what it was asked for.

* ComfyUIError                 ``retryable``: whether the same request may succeed later
  * ComfyUIUnreachable         no connection, or one that broke
  * ComfyUISilent              connected, but no answer in time
  * ComfyUIRefused             an answer that is an error of the server's own, or makes no sense
  * RequestTooLarge            above the server's upload limit
  * OutputNotFound             the file that was asked for is not there, or outside the server's folders
  * OutputTooLarge             the file is longer than the caller allows
  * InvalidInput               the graph, or a value in it
    * MissingNode              a node class that the server does not have
    * MissingModel             a model file that the server does not have
  * NodeError                  a node raised an exception
    * OutOfMemory              ... because memory ran out
  * Interrupted                somebody stopped it
  * Lost                       the server does not know the prompt any more
  * ComfyUIStuck               the server answers, but nothing in its queue moves
  * ProcessError               a ComfyUI that Hearth itself runs
    * NotInstalled, PortTaken, StartFailed, CrashLoop
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from backend.errors import JSON, HearthError


@dataclass(frozen=True, slots=True)
class NodeProblem:
    """What is wrong with one node of a graph; ``input`` is None where the node as a whole is meant.

    ``type`` is ComfyUI's own word, such as ``value_not_in_list``; ``received`` is the value that was sent.
    """

    node_id: str
    class_type: str | None
    type: str
    message: str
    input: str | None = None
    received: JSON = None
    title: str | None = None
    dependent_outputs: tuple[str, ...] = field(default=())

    def as_dict(self) -> dict[str, JSON]:
        """Shape the problem for the details of an error."""
        return {
            "node_id": self.node_id, "class_type": self.class_type, "title": self.title, "type": self.type,
            "input": self.input, "message": self.message, "received": self.received,
        }  # fmt: skip


class ComfyUIError(HearthError):
    """ComfyUI cannot do what it was asked for."""

    code: ClassVar[str] = "comfyui_error"
    status: ClassVar[int] = 502
    retryable: ClassVar[bool] = False


class ComfyUIUnreachable(ComfyUIError):
    """There is no connection to ComfyUI."""

    code = "comfyui_unreachable"
    status = 503
    retryable = True
    default_hint = "Check that ComfyUI runs and that COMFYUI_URL names it; Hearth tries again by itself."


class ComfyUISilent(ComfyUIError):
    """ComfyUI took the connection and then said nothing."""

    code = "comfyui_silent"
    status = 504
    retryable = True
    default_hint = "It may be busy with a large model; wait, and restart ComfyUI if that does not help."


class ComfyUIRefused(ComfyUIError):
    """ComfyUI answered with a failure of its own, or with something that makes no sense."""

    code = "comfyui_refused"
    status = 502
    default_hint = "Look at ComfyUI's log; a custom node may be broken."


class RequestTooLarge(ComfyUIError):
    """The request is longer than ComfyUI allows."""

    code = "comfyui_request_too_large"
    status = 413
    default_hint = "Send a smaller file, or start ComfyUI with a higher --max-upload-size."


class OutputNotFound(ComfyUIError):
    """ComfyUI does not have the file."""

    code = "output_not_found"
    status = 404
    default_hint = "It may have been deleted from ComfyUI's folders; run the workflow again."


class OutputTooLarge(ComfyUIError):
    """The file is longer than what may be stored."""

    code = "output_too_large"
    status = 413
    default_hint = "Make a smaller result, or raise the limit."


class InvalidInput(ComfyUIError):
    """ComfyUI does not accept the graph.

    Args:
        problems: What is wrong, node by node; empty where the graph as a whole is meant.
    """

    code = "invalid_input"
    status = 422
    default_hint = "Correct the values that are named in the details, then try again."

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        problems: Sequence[NodeProblem] = (),
        details: Mapping[str, JSON] | None = None,
    ) -> None:
        facts: dict[str, JSON] = dict(details or {})
        if problems:
            facts["problems"] = [problem.as_dict() for problem in problems]
        super().__init__(message, hint=hint, details=facts)
        self.problems = tuple(problems)


class MissingNode(InvalidInput):
    """The graph uses a node that ComfyUI does not have."""

    code = "missing_node"
    default_hint = "Install the custom node that brings it, then restart ComfyUI."


class MissingModel(InvalidInput):
    """The graph names a model file that ComfyUI does not have."""

    code = "missing_model"
    default_hint = "Download the model, or choose one that is installed."


class NodeError(ComfyUIError):
    """A node raised an exception.

    Args:
        traceback: The innermost frames, without folders of the server.
    """

    code = "node_error"
    status = 502
    default_hint = "Check the node's inputs; the traceback in the details says where it failed."

    def __init__(
        self,
        message: str,
        *,
        node_id: str | None = None,
        class_type: str | None = None,
        title: str | None = None,
        exception_type: str | None = None,
        exception_message: str = "",
        traceback: Sequence[str] = (),
        hint: str | None = None,
    ) -> None:
        details: dict[str, JSON] = {
            "node_id": node_id, "class_type": class_type, "title": title, "exception_type": exception_type,
            "exception_message": exception_message, "traceback": list(traceback),
        }  # fmt: skip
        super().__init__(message, hint=hint, details=details)
        self.node_id = node_id
        self.class_type = class_type
        self.title = title
        self.exception_type = exception_type
        self.exception_message = exception_message
        self.traceback = tuple(traceback)


class OutOfMemory(NodeError):
    """A node needed more memory than there is."""

    code = "out_of_memory"
    status = 507
    retryable = True
    default_hint = "Make the image smaller, lower the batch size, or use a smaller model."


class Interrupted(ComfyUIError):
    """The execution was stopped before it was done."""

    code = "interrupted"
    status = 409
    default_hint = "Run it again if it was stopped by mistake."


class Lost(ComfyUIError):
    """ComfyUI does not know the execution any more: it was restarted, or its queue was emptied."""

    code = "lost"
    status = 502
    retryable = True
    default_hint = "Run it again; ComfyUI keeps its queue in memory only."


class ComfyUIStuck(ComfyUIError):
    """ComfyUI answers, but nothing in its queue moves."""

    code = "comfyui_stuck"
    status = 504
    retryable = True
    default_hint = "Restart ComfyUI: the part of it that executes has ended, or a node never returns."


class ProcessError(ComfyUIError):
    """The ComfyUI that Hearth runs itself cannot be run."""

    code = "comfyui_process_error"
    status = 500


class NotInstalled(ProcessError):
    """The folder holds no ComfyUI that could be started."""

    code = "comfyui_not_installed"
    status = 422
    default_hint = "Set COMFYUI_DIR to a checkout of ComfyUI that has a virtual environment (.venv or venv)."


class PortTaken(ProcessError):
    """Another program listens where ComfyUI should."""

    code = "comfyui_port_taken"
    status = 409
    default_hint = "Stop the other program, or choose another port."


class StartFailed(ProcessError):
    """ComfyUI ended, or did not answer, before it was ready."""

    code = "comfyui_start_failed"
    status = 502
    default_hint = "The last lines of its log, in the details, usually name the reason."


class CrashLoop(ProcessError):
    """ComfyUI ended again and again, so it is not started any more."""

    code = "comfyui_crash_loop"
    status = 502
    default_hint = "Look at its log, remove what breaks it (often a custom node), then start it again."
