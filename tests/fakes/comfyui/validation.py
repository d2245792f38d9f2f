"""Why a prompt is not taken, in the words of the real server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.fakes.comfyui.catalogue import Catalogue
from tests.fakes.comfyui.order import is_link

Problem = dict[str, Any]
_CASTS = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}
_TRACEBACK = [
    '  File "/opt/ComfyUI/ComfyUI/execution.py", line 1010, in validate_prompt\n    m = await validate_inputs(...)\n'
]


def error(kind: str, message: str, details: str = "", extra: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": kind, "message": message, "details": details, "extra_info": extra or {}}


class Validation:
    """Judge one graph; ``outputs`` are the output nodes that may run."""

    def __init__(self, graph: dict[str, Any], catalogue: Catalogue, base: Path, *, is_new: bool) -> None:
        self._graph = graph
        self._catalogue = catalogue
        self._base = base
        self._is_new = is_new
        self._judged: dict[str, tuple[bool, list[Problem]]] = {}
        self._path: list[str] = []
        self.outputs: list[str] = []
        self.node_errors: dict[str, Any] = {}
        self.error: dict[str, Any] | None = None

    def judge(self, targets: list[str] | None) -> Validation:
        for node_id, node in self._graph.items():
            self.error = self._class_error(node_id, node)
            if self.error is not None:
                return self
        shown = [
            node_id for node_id, node in self._graph.items()
            if self._catalogue.shows(node["class_type"]) and (targets is None or node_id in targets)
        ]  # fmt: skip
        if not shown:
            self.error = error("prompt_no_outputs", "Prompt has no outputs")
            return self
        told: list[str] = []
        for output in shown:
            told += self._output(output)
        if not self.outputs:
            self.error = error("prompt_outputs_failed_validation", "Prompt outputs failed validation", "\n".join(told))
        return self

    def _class_error(self, node_id: str, node: dict[str, Any]) -> dict[str, Any] | None:
        where, name = f"Node ID '#{node_id}'", node.get("class_type")
        if name in self._catalogue:
            return None
        if not self._is_new:
            missing = f"Cannot execute because node {name} does not exist."
            return error(
                "invalid_prompt",
                "Cannot execute because a node is missing the class_type property." if name is None else missing,
                where,
            )
        title = node.get("_meta", {}).get("title", name)
        extra = {"node_id": node_id, "class_type": name, "node_title": title}
        if name is None:
            message = (
                f"Node 'ID #{node_id}' has no class_type. The workflow may be corrupted or a custom node is missing."
            )
        else:
            message = f"Node '{title}' not found. The custom node may not be installed."
        return error("missing_node_type", message, where, extra)

    def _output(self, output: str) -> list[str]:
        try:
            is_valid, reasons = self._node(output)
        except RecursionError:
            return []
        except Exception as problem:
            extra = {"exception_type": type(problem).__name__, "traceback": _TRACEBACK}
            reasons = [error("exception_during_validation", "Exception when validating node", str(problem), extra)]
            is_valid = False
            self._judged[output] = (False, reasons)
        if is_valid:
            self.outputs.append(output)
            return []
        for node_id, (is_good, problems) in self._judged.items():
            if not is_good and problems:
                entry = self.node_errors.setdefault(
                    node_id,
                    {"errors": problems, "dependent_outputs": [], "class_type": self._graph[node_id]["class_type"]},
                )
                entry["dependent_outputs"].append(output)
        return [f"{reason['message']}: {reason['details']}" for reason in reasons]

    def _node(self, node_id: str) -> tuple[bool, list[Problem]]:
        if node_id in self._judged:
            return self._judged[node_id]
        if node_id in self._path:
            return self._cycle(node_id)
        self._path.append(node_id)
        node = self._graph[node_id]
        given, spec = node["inputs"], self._catalogue.entry(node["class_type"])["input"]
        problems: list[Problem] = []
        is_valid = True
        for section in ("required", "optional"):
            for name, config in (spec.get(section) or {}).items():
                if name not in given:
                    if section == "required":
                        problems.append(
                            error("required_input_missing", "Required input is missing", name, {"input_name": name})
                        )
                elif isinstance(given[name], list):
                    is_valid &= self._link(name, config, given[name], problems)
                else:
                    problems += self._value(node["class_type"], name, config, given)
        self._path.pop()
        result = self._judged.get(node_id) or (is_valid and not problems, problems)
        self._judged[node_id] = result
        return result

    def _cycle(self, node_id: str) -> tuple[bool, list[Problem]]:
        members = self._path[self._path.index(node_id) :]
        if not self._is_new:
            raise RecursionError
        names = " -> ".join(f"{each} ({self._graph[each]['class_type']})" for each in [*members, node_id])
        for each in members:
            extra = {"node_id": each, "cycle_nodes": members}
            self._judged[each] = (False, [error("dependency_cycle", "Dependency cycle detected", names, extra)])
        return self._judged[node_id]

    def _link(self, name: str, config: list[Any], value: list[Any], problems: list[Problem]) -> bool:
        if not is_link(value):
            message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            extra = {"input_name": name, "input_config": config, "received_value": value}
            problems.append(error("bad_linked_input", message, name, extra))
            return True
        source = self._graph[value[0]]["class_type"]
        kind, wanted = self._catalogue.outputs(source)[int(value[1])], config[0]
        if isinstance(wanted, str) and "*" not in (kind, wanted) and kind not in wanted.split(","):
            details = f"{name}, received_type({kind}) mismatch input_type({wanted})"
            extra = {"input_name": name, "input_config": config, "received_type": kind, "linked_node": value}
            problems.append(error("return_type_mismatch", "Return type mismatch between linked nodes", details, extra))
            return True
        return self._node(value[0])[0]

    def _value(self, class_type: str, name: str, config: list[Any], given: dict[str, Any]) -> list[Problem]:
        kind, options = config[0], config[1] if len(config) > 1 else {}
        value = given[name]
        extra = {"input_name": name, "input_config": [kind, options], "received_value": value}
        if class_type in ("LoadImage", "LoadImageMask") and name == "image":
            return [] if self._is_file(value) else [_no_file(name, value)]
        if isinstance(kind, str) and kind in _CASTS:
            try:
                value = given[name] = _CASTS[kind](value)
            except (TypeError, ValueError) as problem:
                message = f"Failed to convert an input value to a {kind} value"
                extra["exception_message"] = str(problem)
                return [error("invalid_input_type", message, f"{name}, {value}, {problem}", extra)]
        extra["received_value"] = value
        if "min" in options and value < options["min"]:
            return [error("value_smaller_than_min", f"Value {value} smaller than min of {options['min']}", name, extra)]
        if "max" in options and value > options["max"]:
            return [error("value_bigger_than_max", f"Value {value} bigger than max of {options['max']}", name, extra)]
        if isinstance(kind, list) and value not in kind:
            told = f"(list of length {len(kind)})" if len(kind) > 20 else str(kind)
            extra["input_config"] = None if len(kind) > 20 else extra["input_config"]
            return [error("value_not_in_list", "Value not in list", f"{name}: '{value}' not in {told}", extra)]
        return []

    def _is_file(self, value: Any) -> bool:
        name, _, folder = str(value).partition(" [")
        return (self._base / (folder.rstrip("]") or "input") / name).is_file()


def _no_file(name: str, value: Any) -> Problem:
    details = f"{name} - Invalid image file: {value}"
    return error("custom_validation_failed", "Custom validation failed for node", details, {"input_name": name})
