"""Name the reasons for which ComfyUI does not take a prompt (POST /prompt, versions 0.3.64 to 0.26)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from backend.comfyui.errors import (
    ComfyUIError,
    ComfyUIRefused,
    InvalidInput,
    MissingModel,
    MissingNode,
    NodeProblem,
    RequestTooLarge,
)
from backend.comfyui.graph import Graph
from backend.comfyui.model_inputs import is_model_input
from backend.comfyui.shapes import mapping, sequence, text, texts
from backend.comfyui.traces import short_message
from backend.errors import JSON

# 0.3.64 says which class is missing in the sentence only; 0.26 has a type and facts of its own.
_NO_SUCH_NODE = re.compile(r"node (.+?) does not exist", re.IGNORECASE)
_NODE_ID = re.compile(r"Node ID '#([^']*)'")
_MAX_NAMED = 3


def refusal(status: int, document: object, graph: Graph | None = None) -> ComfyUIError:
    """Return what an answer to POST /prompt other than 200 means.

    Args:
        document: The JSON of the answer; None when it was none.
        graph: What was sent, for the titles of its nodes.
    """
    body = mapping(document)
    error = mapping(body.get("error"))
    if status == 413:
        return RequestTooLarge("The prompt is longer than ComfyUI allows.")
    if not error:
        return _unexplained(status)
    problems = node_problems(body.get("node_errors"), graph)
    kind, message, details = (text(error.get(key)) or "" for key in ("type", "message", "details"))
    missing = _missing_class(kind, message, details, mapping(error.get("extra_info")), graph)
    if missing is not None:
        return missing
    if problems:
        return _of_nodes(problems)
    return _of_graph(kind, message, details)


def node_problems(value: JSON, graph: Graph | None = None) -> tuple[NodeProblem, ...]:
    """Read ``node_errors``, which an accepted prompt may carry too."""
    return tuple(
        _problem(node_id, mapping(report), mapping(each), graph)
        for node_id, report in mapping(value).items()
        for each in sequence(mapping(report).get("errors"))
    )


def _problem(node_id: str, report: dict[str, JSON], error: dict[str, JSON], graph: Graph | None) -> NodeProblem:
    extra = mapping(error.get("extra_info"))
    kind, details = text(error.get("type")) or "", text(error.get("details")) or ""
    return NodeProblem(
        node_id,
        text(report.get("class_type")),
        kind,
        _sentence(kind, text(error.get("message")) or "", details),
        text(extra.get("input_name")),
        extra.get("received_value"),
        None if graph is None else graph.title(node_id),
        texts(report.get("dependent_outputs")),
    )


def _sentence(kind: str, message: str, details: str) -> str:
    if kind == "exception_during_validation":
        # Its details are a bare KeyError: a link to a node that is not there, or a node without "inputs".
        return short_message(f"ComfyUI could not check the node: {details} is missing.")
    return short_message(f"{message}: {details}" if details else message)


def _missing_class(
    kind: str, message: str, details: str, extra: Mapping[str, JSON], graph: Graph | None
) -> MissingNode | InvalidInput | None:
    node_id = text(extra.get("node_id"))
    if node_id is None and (found := _NODE_ID.search(details)):
        node_id = found.group(1)
    if "class_type property" in message:
        return InvalidInput(f"Node {node_id or '?'} does not say which class it is of.", details={"node_id": node_id})
    named = _NO_SUCH_NODE.search(message)
    class_type = text(extra.get("class_type")) or (named.group(1).strip("'\"") if named else None)
    if kind != "missing_node_type" and named is None:
        return None
    if class_type is None:
        return InvalidInput(f"Node {node_id or '?'} does not say which class it is of.", details={"node_id": node_id})
    title = text(extra.get("node_title")) or (graph.title(node_id) if graph and node_id else None)
    problem = NodeProblem(
        node_id or "", class_type, "missing_node_type", f"There is no node {class_type}.", title=title
    )
    return MissingNode(f"ComfyUI has no node {class_type}.", problems=[problem])


def _of_nodes(problems: tuple[NodeProblem, ...]) -> InvalidInput:
    models = [each for each in problems if is_missing_model(each)]
    if models:
        names = _listed(str(each.received) for each in models)
        return MissingModel(f"ComfyUI does not have {names}.", problems=problems)
    named = _listed(f"{each.title or each.class_type or each.node_id}: {each.message}" for each in problems)
    return InvalidInput(f"ComfyUI does not accept the values: {named}", problems=problems)


def is_missing_model(problem: NodeProblem) -> bool:
    """Tell whether *problem* is that of a model file that the server does not list."""
    if problem.type != "value_not_in_list" or not isinstance(problem.received, str) or problem.input is None:
        return False
    return is_model_input(problem.class_type or "", problem.input, problem.received)


def _of_graph(kind: str, message: str, details: str) -> ComfyUIError:
    if kind == "prompt_no_outputs":
        return InvalidInput(
            "The graph has no node that shows or saves a result.", hint="Add a node such as Save Image."
        )
    if kind == "no_prompt":
        return InvalidInput("The request holds no prompt.", hint="Send the graph in API format as `prompt`.")
    if kind == "invalid_prompt_id":
        return ComfyUIRefused("ComfyUI does not accept the id of the prompt: it wants a canonical UUID.")
    if kind == "prompt_outputs_failed_validation":
        # Without node errors: 0.3.64 says no more than this about nodes that wait for each other.
        return InvalidInput(
            "ComfyUI does not accept the graph and does not say why.", hint="Look for nodes whose links form a circle."
        )
    return InvalidInput(
        short_message(f"ComfyUI does not accept the graph: {message} {details}"), details={"type": kind}
    )


def _unexplained(status: int) -> ComfyUIError:
    if status == 500:
        return ComfyUIRefused(
            "ComfyUI failed while it read the prompt.",
            hint="Send the graph in API format (Workflow → Export (API) in ComfyUI), and look at ComfyUI's log.",
            details={"status": status},
        )
    return ComfyUIRefused(f"ComfyUI answered {status} without saying why.", details={"status": status})


def _listed(names: Iterable[str]) -> str:
    unique = list(dict.fromkeys(names))
    more = f" and {len(unique) - _MAX_NAMED} more" if len(unique) > _MAX_NAMED else ""
    return ", ".join(unique[:_MAX_NAMED]) + more
