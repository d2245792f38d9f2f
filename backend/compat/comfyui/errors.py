"""Errors as ComfyUI's clients read them, with Hearth's code and hint beside; reasons of the drop-in itself.

* ClosedRoute          nobody may ask for this through Hearth
* NoSuchRoute          neither Hearth nor ComfyUI serves it
* NoComfyUI            no ComfyUI answers
* UnreadableBody       not the JSON or form that the route takes
* PromptIdTaken        there is a job of that id
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from starlette.responses import JSONResponse, Response

from backend.comfyui.shapes import mapping, sequence, text
from backend.compat.complaint import Complaint
from backend.compat.errors import CompatError
from backend.errors import JSON

# ComfyUI knows one status for everything that is wrong with a prompt.
_OF_PROMPTS = frozenset({"invalid_input", "missing_node", "missing_model", "invalid_generation"})


class ClosedRoute(CompatError):
    """The route shows or does more than its user may; Hearth passes nothing on to it."""

    code = "closed_route"
    status = 403
    default_hint = "Ask the ComfyUI behind Hearth itself, on its own address, if you need this."


class NoSuchRoute(CompatError):
    """There is nothing at this address, or it is somebody else's."""

    code = "no_such_route"
    status = 404
    default_hint = "Check the address; docs/comfyui-dropin.md lists what is served."


class NoComfyUI(CompatError):
    """No ComfyUI behind Hearth answers."""

    code = "no_comfyui"
    status = 503
    default_hint = "Look at the backends with GET /api/backends; jobs can be queued meanwhile."


class UnreadableBody(CompatError):
    """The request's body is not what this route takes."""

    code = "unreadable_body"
    default_hint = "Send what ComfyUI's own route takes; docs/comfyui-dropin.md shows examples."


class PromptIdTaken(CompatError):
    """The client chose the id of a job that exists."""

    code = "prompt_id_taken"
    status = 409
    default_hint = "Choose a new UUID for every prompt, or leave prompt_id out."


def tell(complaint: Complaint) -> Response:
    """Shape an error as ComfyUI does."""
    status = 400 if complaint.code in _OF_PROMPTS else complaint.status
    error: dict[str, JSON] = {
        "type": complaint.code, "code": complaint.code, "message": complaint.message, "hint": complaint.hint,
        "details": complaint.hint, "extra_info": dict(complaint.details),
    }  # fmt: skip
    return JSONResponse({"error": error, "node_errors": _node_errors(complaint.details)}, status)


def _node_errors(details: Mapping[str, JSON]) -> dict[str, JSON]:
    found: dict[str, dict[str, JSON]] = {}
    for each in map(mapping, sequence(details.get("problems"))):
        kind, message = text(each.get("type")) or "invalid_input", text(each.get("message")) or ""
        _add(found, each, kind, message, each.get("received"))
    for each in map(mapping, sequence(details.get("models"))):
        message = f"{each.get('input')}: {each.get('name')!r} is not installed"
        _add(found, each, "value_not_in_list", message, each.get("name"))
    for each in map(mapping, sequence(details.get("nodes"))):
        _add(found, each, "missing_node_type", f"There is no node {each.get('class_type')}", None)
    return cast("dict[str, JSON]", found)


def _add(found: dict[str, dict[str, JSON]], about: Mapping[str, JSON], kind: str, message: str, received: JSON) -> None:
    node_id = text(about.get("node_id")) or ""
    entry = found.setdefault(node_id, {"errors": [], "dependent_outputs": [], "class_type": about.get("class_type")})
    extra: dict[str, JSON] = {"input_name": about.get("input"), "received_value": received}
    sequence(entry["errors"]).append({"type": kind, "message": message, "details": message, "extra_info": extra})
