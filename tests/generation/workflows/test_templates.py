"""Every official template whose nodes a server knows converts; runs where the templates are at hand.

HEARTH_TEMPLATES names a folder or wheel of ``comfyui-workflow-templates-json``, HEARTH_OBJECT_INFO a saved
GET /object_info. Without the first the installed package is used, if there is one.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from backend.generation.workflows import (
    Document,
    InvalidInputs,
    UnknownNodes,
    bind,
    find_templates,
    json_schema,
    prepare,
)
from scripts.count_templates import count_templates, main, open_templates, template_names
from tests.generation.workflows.desk import OBJECT_INFO, Desk, text_to_image

_PLACE = os.environ.get("HEARTH_TEMPLATES")
_INFO = os.environ.get("HEARTH_OBJECT_INFO")
_FOLDER = open_templates(Path(_PLACE)) if _PLACE else find_templates()

needs_templates = pytest.mark.skipif(_FOLDER is None or _INFO is None, reason="no official templates at hand")


@needs_templates
def test_every_official_template_converts():
    """None fails whose nodes are known."""
    assert _FOLDER is not None
    assert _INFO is not None
    count = count_templates(_FOLDER, json.loads(Path(_INFO).read_text()))
    assert count.failed == {}
    assert count.converted == count.templates - count.unknown
    assert count.converted > 50


@needs_templates
def test_every_official_template_has_inputs_that_can_be_bound():
    """With the pictures given that it asks for."""
    assert _FOLDER is not None
    assert _INFO is not None
    info = json.loads(Path(_INFO).read_text())
    for name in template_names(_FOLDER):
        try:
            prepared = prepare(Document(json.loads((_FOLDER / f"{name}.json").read_text("utf-8")), None), info)
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
