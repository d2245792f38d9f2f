"""What the editor saves becomes what ComfyUI's own front end would send."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from backend.generation.workflows import ConversionFailed, UnknownNodes, find_problems
from tests.generation.workflows.desk import OBJECT_INFO, Desk, graph_of, inputs_of, shown, text_to_image


def test_the_usual_workflow_becomes_a_graph_the_server_takes():
    """Values get names, links lead by node id and output, the control of the seed is left out."""
    desk, _ = text_to_image()
    graph = graph_of(desk.saved())
    assert graph["5"] == {
        "class_type": "Sampler",
        "_meta": {"title": "Sampler"},
        "inputs": {
            "model": ["1", 0],
            "seed": 7,
            "steps": 12,
            "cfg": 6.5,
            "sampler_name": "heun",
            "scheduler": "simple",
            "positive": ["2", 0],
            "negative": ["3", 0],
            "latent_image": ["4", 0],
            "denoise": 0.9,
        },
    }
    assert find_problems(graph, OBJECT_INFO) == []


def test_links_may_be_objects_and_ids_may_be_text():
    """The newer schema writes links as objects; the result is the same."""
    desk, _ = text_to_image()
    old = desk.saved()
    new = copy.deepcopy(old)
    keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    new["links"] = [dict(zip(keys, link, strict=True)) for link in old["links"]]
    new["version"] = 1
    for link in new["links"]:
        link["origin_id"] = str(link["origin_id"])
    assert graph_of(new) == graph_of(old)


def test_a_converted_widget_takes_its_link_and_keeps_its_place():
    """The value behind the link stays in the row and goes nowhere."""
    desk = Desk()
    steps = desk.node("PrimitiveInt", 30)
    canvas = desk.node("Canvas", 64, 128, 2, widgets=("height",))
    desk.link(steps, 0, canvas, "height")
    assert inputs_of(desk, canvas) == {"width": 64, "height": ["1", 0], "batch_size": 2}


def test_a_primitive_node_gives_its_value_through_reroutes():
    """It exists only in the editor."""
    desk = Desk()
    primitive = desk.node("PrimitiveNode", 33, "fixed", outputs=["INT"])
    reroute = desk.node("Reroute", inputs={"": "*"}, outputs=["INT"])
    canvas = desk.node("Canvas", 64, 128, 2, widgets=("width", "height"))
    desk.link(primitive, 0, canvas, "width")
    desk.link(primitive, 0, reroute, "")
    desk.link(reroute, 0, canvas, "height")
    graph = graph_of(desk.saved())
    assert list(graph) == ["3"]
    assert graph["3"]["inputs"] == {"width": 33, "height": 33, "batch_size": 2}


def test_reroutes_vanish():
    """A chain of them leads to what feeds the first."""
    desk = Desk()
    opened = desk.node("Open", "here.png", "image", 0)
    chain = [desk.node("Reroute", inputs={"": "*"}, outputs=["IMAGE"]) for _ in range(400)]
    for before, after in zip([opened, *chain], chain, strict=False):
        desk.link(before, 0, after, "")
    save = shown(desk, chain[-1])
    assert inputs_of(desk, save)["images"] == ["1", 0]


def test_a_reroute_without_source_leaves_the_input_free():
    """Nothing feeds it, so nothing is sent."""
    desk = Desk()
    save = shown(desk, desk.node("Reroute", inputs={"": "*"}, outputs=["IMAGE"]))
    assert inputs_of(desk, save) == {"filename_prefix": "x"}


def test_get_finds_what_set_was_given():
    """They belong together by name, without a link."""
    desk = Desk()
    opened = desk.node("Open", "here.png", "image", 0)
    setter = desk.node("SetNode", "picture", inputs={"IMAGE": "IMAGE"}, outputs=["*"])
    desk.link(opened, 0, setter, "IMAGE")
    save = shown(desk, desk.node("GetNode", "picture", inputs={}, outputs=["IMAGE"]))
    graph = graph_of(desk.saved())
    assert graph[str(save["id"])]["inputs"]["images"] == ["1", 0]
    assert {entry["class_type"] for entry in graph.values()} == {"Open", "Save"}


def test_a_muted_node_is_gone_with_its_links():
    """What it fed stays empty, also where a widget has a value."""
    desk = Desk()
    number = desk.node("PrimitiveInt", 30, mode=2)
    canvas = desk.node("Canvas", 64, 128, 2, widgets=("height",))
    desk.link(number, 0, canvas, "height")
    graph = graph_of(desk.saved())
    assert list(graph) == ["2"]
    assert graph["2"]["inputs"] == {"width": 64, "batch_size": 2}


def test_a_bypassed_node_lets_pass_what_has_the_type():
    """Also where it is not the input of the same number."""
    desk = Desk()
    opened = desk.node("Open", "here.png", "image", 0)
    blend = desk.node("Blend", mode=4)
    desk.link(opened, 0, blend, "image")
    desk.link(opened, 1, blend, "mask")
    save = shown(desk, blend, 1)
    assert inputs_of(desk, save)["images"] == ["1", 0]


def test_a_bypassed_node_without_such_an_input_passes_nothing():
    """The input that it fed falls back to its widget."""
    desk = Desk()
    number = desk.node("PrimitiveInt", 30, mode=4)
    canvas = desk.node("Canvas", 64, 128, 2, widgets=("height",))
    desk.link(number, 0, canvas, "height")
    assert inputs_of(desk, canvas)["height"] == 128


def test_notes_and_decoration_are_left_out():
    """Nothing of the editor's own survives, not even of unknown packs."""
    desk, _ = text_to_image()
    expected = graph_of(desk.saved())
    desk.node("Note", "read me")
    desk.node("MarkdownNote", "# read me")
    desk.node("Somebody's Sticker", "x", inputs={}, outputs=[])
    assert graph_of(desk.saved()) == expected


def test_unknown_nodes_are_named_with_title_and_id():
    """The complaint can be acted on."""
    desk = Desk()
    desk.node("Upscaler9000", inputs={"image": "IMAGE"}, outputs=["IMAGE"], title="Bigger!")
    with pytest.raises(UnknownNodes) as caught:
        graph_of(desk.saved())
    assert "Upscaler9000" in caught.value.message
    assert caught.value.details["nodes"] == [{"id": "1", "class_type": "Upscaler9000", "title": "Bigger!"}]


def test_unknown_nodes_that_do_not_run_do_no_harm():
    """Bypassed and muted nodes need not be installed."""
    desk = Desk()
    opened = desk.node("Open", "here.png", "image", 0)
    unknown = desk.node("Upscaler9000", inputs={"image": "IMAGE"}, outputs=["IMAGE"], mode=4)
    desk.link(opened, 0, unknown, "image")
    save = shown(desk, unknown)
    assert inputs_of(desk, save)["images"] == ["1", 0]


@pytest.mark.parametrize("kind", ["workflow>Both", "workflow/Both"])
def test_group_nodes_of_old_versions_are_explained(kind: str):
    """They are no missing class; ComfyUI itself turns them into subgraphs."""
    desk = Desk()
    desk.node(kind, inputs={"image": "IMAGE"}, outputs=["IMAGE"])
    with pytest.raises(ConversionFailed, match="group node") as caught:
        graph_of(desk.saved())
    assert "subgraphs" in caught.value.hint


def test_links_in_a_circle_are_refused():
    """Two reroutes that feed each other."""
    desk = Desk()
    left = desk.node("Reroute", inputs={"": "*"}, outputs=["IMAGE"])
    right = desk.node("Reroute", inputs={"": "*"}, outputs=["IMAGE"])
    desk.link(left, 0, right, "")
    desk.link(right, 0, left, "")
    shown(desk, right)
    with pytest.raises(ConversionFailed, match="circle"):
        graph_of(desk.saved())


def test_a_lost_link_counts_as_none():
    """Some files name links that are not there."""
    desk, nodes = text_to_image()
    desk.links = [link for link in desk.links if link[3] != nodes["save"]["id"]]
    assert inputs_of(desk, nodes["save"]) == {"filename_prefix": "cats"}


@pytest.mark.parametrize("content", [{}, {"nodes": [None, 3, {"id": 1}]}, {"nodes": [], "links": "x"}])
def test_rubbish_converts_to_nothing(content: Any):
    """What cannot be understood is left out."""
    assert graph_of(content) == {}


def test_the_result_is_plain_json():
    """It can be posted as it is."""
    desk, _ = text_to_image()
    graph = graph_of(desk.saved())
    assert json.loads(json.dumps(graph)) == graph
