"""Convert all official workflow templates and count: ``python scripts/count_templates.py TEMPLATES OBJECT_INFO [--server URL]``.

TEMPLATES is a folder of templates or a wheel of ``comfyui-workflow-templates-json``; OBJECT_INFO a saved GET /object_info.
With ``--server`` every converted graph is posted to a real ComfyUI, whose complaints are sorted and which is told to forget
the graph at once; give it the server's own object_info. Nothing is downloaded.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.error
import urllib.request
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import cast

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from backend.errors import JSON
from backend.generation.workflows import (
    ConversionFailed,
    ObjectInfo,
    Problem,
    Trouble,
    UnknownNodes,
    convert,
    find_problems,
)
from backend.generation.workflows.reading import as_list, as_mapping, as_text
from backend.generation.workflows.validation import names_model

_WHEEL_FOLDER = "comfyui_workflow_templates_json/templates/"
_TIMEOUT_S = 60


@dataclass(slots=True)
class Count:
    """What came of all templates."""

    templates: int = 0
    unknown: int = 0
    converted: int = 0
    failed: dict[str, str] = field(default_factory=dict[str, str])
    clean: int = 0
    kinds: Counter[str] = field(default_factory=Counter[str])
    other: dict[str, list[str]] = field(default_factory=dict[str, list[str]])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the counts; 0 when every template whose nodes are known converts, 1 when not."""
    parser = argparse.ArgumentParser(description="Convert all official workflow templates.")
    parser.add_argument("templates", type=Path, help="folder, or wheel of comfyui-workflow-templates-json")
    parser.add_argument("object_info", type=Path, help="saved GET /object_info")
    parser.add_argument("--server", help="address of a real ComfyUI that judges the graphs")
    chosen = parser.parse_args(arguments)
    object_info = as_mapping(json.loads(chosen.object_info.read_text("utf-8")))
    count = count_templates(open_templates(chosen.templates), object_info, chosen.server)
    print(f"{count.templates} templates, {count.unknown} with nodes that are not known")
    print(f"{count.converted} converted, {len(count.failed)} failed")
    print(f"{count.clean} with nothing wrong but missing models and files; complaints: {dict(count.kinds)}")
    for name, reasons in (*((name, [reason]) for name, reason in count.failed.items()), *count.other.items()):
        print(f"  {name}: {'; '.join(reasons)}")
    return 1 if count.failed else 0


def open_templates(place: Path) -> Traversable:
    """Return the folder of templates, also inside a wheel; blocking."""
    return zipfile.Path(place, _WHEEL_FOLDER) if place.suffix == ".whl" else place


def count_templates(folder: Traversable, object_info: ObjectInfo, server: str | None = None) -> Count:
    """Convert every template of the index and judge what came of it; blocking."""
    count = Count()
    for name in template_names(folder):
        count.templates += 1
        workflow = as_mapping(json.loads((folder / f"{name}.json").read_text("utf-8")))
        try:
            graph = convert(workflow, object_info).graph
        except UnknownNodes:
            count.unknown += 1
            continue
        except ConversionFailed as error:
            count.failed[name] = error.message
            continue
        count.converted += 1
        complaints = find_problems(graph, object_info) if server is None else list(ask(server, graph))
        count.kinds.update(_kind(each) for each in complaints)
        others = [each.message for each in complaints if _kind(each) == "other"]
        if others:
            count.other[name] = others
        else:
            count.clean += 1
    return count


def template_names(folder: Traversable) -> list[str]:
    """Return the names in the index, each once, sorted."""
    groups = as_list(json.loads((folder / "index.json").read_text("utf-8")))
    templates = (each for group in groups for each in as_list(as_mapping(group).get("templates")))
    return sorted({as_text(as_mapping(each).get("name")) for each in templates} - {""})


def ask(server: str, graph: Mapping[str, JSON] | Mapping[str, dict[str, JSON]]) -> Iterator[Problem]:
    """Post a graph to a real server and yield its complaints; what it would run is taken off its queue."""
    status, answer = _post(f"{server}/prompt", {"prompt": cast("JSON", graph)})
    if status == 200:
        _post(f"{server}/queue", {"delete": [answer.get("prompt_id")]})
        _post(f"{server}/interrupt", {})
    node_errors = as_mapping(answer.get("node_errors"))
    for node_id, content in node_errors.items():
        for error in map(as_mapping, as_list(as_mapping(content).get("errors"))):
            yield _problem(node_id, as_text(as_mapping(content).get("class_type")), error)
    error = as_mapping(answer.get("error"))
    if error and not node_errors:
        yield Problem(Trouble.UNKNOWN_NODE, f"{as_text(error.get('message'))} {as_text(error.get('details'))}".strip())


def _problem(node_id: str, class_type: str, error: Mapping[str, JSON]) -> Problem:
    extra = as_mapping(error.get("extra_info"))
    details, kind = as_text(error.get("details")), as_text(error.get("type"))
    name = as_text(extra.get("input_name"))
    message = f"{class_type} {node_id}: {as_text(error.get('message'))}: {details[:160]}"
    is_file = kind == "custom_validation_failed" and "nvalid" in details
    trouble = Trouble.MISSING_FILE if is_file else Trouble.NOT_A_CHOICE if kind == "value_not_in_list" else None
    return Problem(
        trouble or Trouble.WRONG_TYPE, message, node_id, class_type, input=name, value=extra.get("received_value")
    )


def _kind(problem: Problem) -> str:
    if problem.trouble is Trouble.MISSING_FILE:
        return "missing file"
    if problem.trouble is Trouble.NOT_A_CHOICE and names_model(problem.value):
        return "missing model"
    return "other"


def _post(url: str, body: dict[str, JSON]) -> tuple[int, Mapping[str, JSON]]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})  # noqa: S310 (the address was typed by the caller)
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
            return response.status, as_mapping(json.loads(response.read() or b"{}"))
    except urllib.error.HTTPError as error:
        text = error.read()
        try:
            return error.code, as_mapping(json.loads(text))
        except ValueError:
            return error.code, {"error": {"message": text.decode(errors="replace")[:200]}}


if __name__ == "__main__":
    raise SystemExit(main())
