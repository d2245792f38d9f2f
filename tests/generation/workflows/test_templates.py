"""Every official template whose nodes a server knows converts, and its inputs can be bound.

Tried with what two versions of ComfyUI told of their nodes (GET /object_info, compressed, beside this file).
"""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from backend.generation.workflows import (
    Document,
    InvalidInputs,
    TemplateShelf,
    UnknownNodes,
    bind,
    find_templates,
    json_schema,
    prepare,
)
from scripts.count_templates import count_templates, main, template_names
from tests.generation.workflows.desk import OBJECT_INFO, Desk, text_to_image

_INFOS = Path(__file__).parent / "object_info"
# How many templates hold known nodes only, as docs/workflows.md reports; a newer package or recording changes them.
_KNOWN = {"0.26.0": 432, "0.3.64": 121}


@cache
def _info(version: str) -> dict[str, Any]:
    return json.loads(gzip.decompress((_INFOS / f"{version}.json.gz").read_bytes()))


@pytest.fixture(scope="module")
def folder() -> Path:
    """The templates of the installed package."""
    found = find_templates()
    assert found is not None, "comfyui-workflow-templates-json is not installed"
    return found


def test_the_shelf_holds_what_the_package_brings(folder: Path):
    """Whoever installs Hearth has them, with titles and kinds."""
    entries = TemplateShelf(folder).entries()
    assert [entry.id for entry in entries if entry.problem is not None or not entry.name] == []
    assert sorted(entry.id for entry in entries) == [f"official~{name}" for name in template_names(folder)]
    assert {"image", "video", "audio", "model"} <= {entry.kind for entry in entries}


@pytest.mark.parametrize("version", _KNOWN)
def test_every_official_template_converts(folder: Path, version: str):
    """None fails whose nodes are known."""
    count = count_templates(folder, _info(version))
    assert count.failed == {}
    assert count.converted == count.templates - count.unknown == _KNOWN[version]


@pytest.mark.parametrize("version", _KNOWN)
def test_every_official_template_has_inputs_that_can_be_bound(folder: Path, version: str):
    """With the pictures given that it asks for."""
    info = _info(version)
    for name in template_names(folder):
        try:
            prepared = prepare(Document(json.loads((folder / f"{name}.json").read_text("utf-8")), None), info)
        except UnknownNodes:
            continue
        given: dict[str, Any] = {field.name: "x.png" for field in prepared.fields if field.required}
        assert json_schema(prepared.fields, name)["required"] == list(given)
        assert len(bind(prepared.graph, prepared.fields, given)) == 1
        if given:
            with pytest.raises(InvalidInputs):
                bind(prepared.graph, prepared.fields, {})


def test_the_count_tells_what_became_of_each_template(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Known, unknown and impossible ones."""
    circle = Desk()
    left = circle.node("Reroute", inputs={"": "*"}, outputs=["IMAGE"])
    circle.link(left, 0, left, "")
    circle.link(left, 0, circle.node("Save", "x"), "images")
    unknown = Desk()
    unknown.node("Gone", inputs={"x": "IMAGE"})
    workflows = {"good": text_to_image()[0], "circle": circle, "unknown": unknown}
    for name, desk in workflows.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(desk.saved()))
    index = [{"templates": [{"name": name} for name in workflows]}]
    (tmp_path / "index.json").write_text(json.dumps(index))
    info = tmp_path / "info"
    info.write_text(json.dumps(OBJECT_INFO))
    assert main([str(tmp_path), str(info)]) == 1
    output = capsys.readouterr().out
    assert "3 templates, 1 with nodes that are not known" in output
    assert "1 converted, 1 failed" in output
    assert "circle" in output
