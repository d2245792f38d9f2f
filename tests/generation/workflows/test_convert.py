"""What the editor saves becomes what ComfyUI's own front end would send."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from backend.generation.workflows import ConversionFailed, UnknownNodes, convert, find_problems
from tests.generation.workflows.desk import OBJECT_INFO, Desk, Ports, text_to_image


def graph_of(content: Any) -> dict[str, Any]:
    return convert(content, OBJECT_INFO).graph


def inputs_of(desk: Desk, node: dict[str, Any]) -> dict[str, Any]:
    return graph_of(desk.saved())[str(node["id"])]["inputs"]


def shown(desk: Desk, origin: dict[str, Any], slot: int = 0) -> dict[str, Any]:
    """A node that saves what comes out of another one."""
    save = desk.node("Save", "x")
    desk.link(origin, slot, save, "images")
    return save


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


def test_a_control_that_old_files_lack_is_not_missed():
    """The value behind the seed counts as control only when it is one."""
    desk = Desk()
    sampler = desk.node("Sampler", 7, 12, 6.5, "heun", "simple", 0.9)
    inputs = inputs_of(desk, sampler)
    assert (inputs["seed"], inputs["steps"], inputs["denoise"]) == (7, 12, 0.9)


def test_values_by_name_win_over_their_order():
    """Newer front ends save both; names survive a class that gained widgets."""
    desk = Desk()
    canvas = desk.node("Canvas", 1, 2, 3, widgets_values_named={"height": 99})
    assert inputs_of(desk, canvas) == {"width": 1, "height": 99, "batch_size": 3}


def test_values_may_be_an_object():
    """Some node packs save their widgets by name only."""
    desk = Desk()
    canvas = desk.node("Canvas")
    canvas["widgets_values"] = {"width": 8, "batch_size": 2}
    assert inputs_of(desk, canvas) == {"width": 8, "height": 512, "batch_size": 2}


def test_a_value_of_an_impossible_type_becomes_the_default():
    """Another version of the class had another widget there."""
    desk = Desk()
    canvas = desk.node("Canvas", "auto", None, 3)
    assert inputs_of(desk, canvas) == {"width": 512, "height": 512, "batch_size": 3}


def test_an_upload_button_stands_behind_the_required_inputs():
    """Its value is passed by, so that optional widgets behind it keep theirs."""
    desk = Desk()
    opened = desk.node("Open", "here.png", "image", 90)
    assert inputs_of(desk, opened) == {"image": "here.png", "rotate": 90}


def test_a_choice_with_control_has_a_filter_too():
    """Two widgets of the front end follow such a choice."""
    desk = Desk()
    pick = desk.node("Pick", "q", "increment", "", 4)
    assert inputs_of(desk, pick) == {"choice": "q", "after": 4}


def test_a_forced_input_has_no_widget():
    """Only its neighbours take values."""
    desk = Desk()
    forced = desk.node("Forced", 4)
    assert inputs_of(desk, forced) == {"size": 4}


def test_an_input_of_a_type_that_nothing_gives_is_a_widget():
    """Node packs bring widgets of their own."""
    desk = Desk()
    curve = desk.node("Curve", {"points": [1, 2]}, 0.25, inputs={"image": "IMAGE"})
    assert inputs_of(desk, curve) == {"points": {"points": [1, 2]}, "amount": 0.25}


def test_a_list_is_wrapped_so_that_it_is_no_link():
    """The server takes a bare list for node id and output."""
    desk = Desk()
    many = desk.node("Many", ["red", "blue"])
    assert inputs_of(desk, many) == {"tags": {"__value__": ["red", "blue"]}}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (("size", 10, 20, "lanczos"), {"how": "size", "how.width": 10, "how.height": 20, "method": "lanczos"}),
        (("factor", 2.5, "lanczos"), {"how": "factor", "how.factor": 2.5, "method": "lanczos"}),
        (("match", "lanczos"), {"how": "match", "method": "lanczos"}),
    ],
)
def test_a_dynamic_choice_unfolds_right_behind_itself(values: tuple[Any, ...], expected: dict[str, Any]):
    """Which widgets follow depends on the chosen option."""
    desk = Desk()
    assert inputs_of(desk, desk.node("Resize", *values)) == expected


def test_growing_inputs_keep_their_names():
    """Members are sockets; the server knows them by the same names."""
    desk = Desk()
    first, second = desk.node("Open", "here.png", "image", 0), desk.node("Open", "here.png", "image", 0)
    stack = desk.node("Stack", inputs={"images.image0": "IMAGE", "images.image1": "IMAGE", "images.image2": "IMAGE"})
    desk.link(first, 0, stack, "images.image0")
    desk.link(second, 0, stack, "images.image1")
    shown(desk, stack)
    assert inputs_of(desk, stack) == {"images.image0": ["1", 0], "images.image1": ["2", 0]}
    assert find_problems(graph_of(desk.saved()), OBJECT_INFO) == []


def test_a_dynamic_group_unfolds_by_its_number_of_rows():
    """The number itself is not sent."""
    desk = Desk()
    rows = desk.node("Rows", 2, "x", 0.5, "y", 1.5, 8)
    assert inputs_of(desk, rows) == {
        "rows.0.lora": "x",
        "rows.0.strength": 0.5,
        "rows.1.lora": "y",
        "rows.1.strength": 1.5,
        "after": 8,
    }


def test_a_custom_choice_sends_its_index_and_its_options():
    """The front end adds widgets that the class does not mention, and the server reads the index."""
    desk = Desk()
    combo = desk.node("CustomCombo", "b", 1, "a", "b", "")
    assert inputs_of(desk, combo) == {"choice": "b", "index": 1, "option1": "a", "option2": "b", "option3": ""}


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


def subgraph_of_canvas(label: str | None = None) -> tuple[Desk, Ports, dict[str, Any]]:
    """A canvas inside a subgraph whose width shows on the outside."""
    inside = Desk()
    canvas = inside.node("Canvas", 64, 128, 2, widgets=("width",))
    ports = Ports()
    ports.enter("width", "INT", (canvas, "width"), label=label)
    ports.leave("LATENT", "LATENT", canvas, 0)
    return inside, ports, canvas


def placed(inside: Desk, ports: Ports, *values: Any, **more: Any) -> tuple[Desk, dict[str, Any]]:
    """A desk with one use of a subgraph and a decoder behind it."""
    desk = Desk()
    desk.subgraph("sub", inside, ports)
    host = desk.node("sub", *values, inputs={}, outputs=["LATENT"], **more)
    decode = desk.node("Decode")
    desk.link(host, 0, decode, "samples")
    return desk, host


def test_a_subgraph_unfolds_with_the_values_of_its_node():
    """Ids read outer:inner, links lead to the inside."""
    desk, _ = placed(*subgraph_of_canvas()[:2], 777)
    graph = graph_of(desk.saved())
    assert graph["1:1"]["inputs"] == {"width": 777, "height": 128, "batch_size": 2}
    assert graph["2"]["inputs"]["samples"] == ["1:1", 0]
    assert set(graph) == {"1:1", "2"}


@pytest.mark.parametrize(
    "more",
    [
        {"widgets_values_named": {"width": 777}},
        {"properties": {"proxyWidgets": [["1", "width"]]}, "widgets_values": [777]},
        {"properties": {"proxyWidgets": [["-1", "width"]]}, "widgets_values": [777]},
        {"properties": {"proxyWidgetErrorQuarantine": [{"originalEntry": ["-1", "width"], "hostValue": 777}]}},
    ],
)
def test_every_generation_of_promoted_values_is_understood(more: dict[str, Any]):
    """By name, by the list of inside widgets, and put aside by a later front end."""
    desk, _ = placed(*subgraph_of_canvas()[:2], **more)
    assert graph_of(desk.saved())["1:1"]["inputs"]["width"] == 777


def test_without_a_value_outside_the_inside_counts():
    """Older files keep the value where the widget is."""
    desk, _ = placed(*subgraph_of_canvas()[:2], properties={"proxyWidgets": [["1", "width"]]})
    assert graph_of(desk.saved())["1:1"]["inputs"]["width"] == 64


def test_an_inside_widget_that_is_not_linked_can_be_changed_from_outside():
    """The old list names widgets, not inputs."""
    more = {"properties": {"proxyWidgets": [["1", "width"], ["1", "batch_size"]]}, "widgets_values": [None, 9]}
    desk, _ = placed(*subgraph_of_canvas()[:2], **more)
    assert graph_of(desk.saved())["1:1"]["inputs"] == {"width": 64, "height": 128, "batch_size": 9}


def test_several_widgets_behind_one_input_get_the_first_ones_value():
    """So the front end shows it, and so it is sent."""
    inside = Desk()
    first, second = (
        inside.node("Canvas", 64, 1, 1, widgets=("width",)),
        inside.node("Canvas", 99, 1, 1, widgets=("width",)),
    )
    ports = Ports()
    ports.enter("width", "INT", (first, "width"), (second, "width"))
    ports.leave("LATENT", "LATENT", second, 0)
    desk, _ = placed(inside, ports)
    graph = graph_of(desk.saved())
    assert (graph["1:1"]["inputs"]["width"], graph["1:2"]["inputs"]["width"]) == (64, 64)


def test_a_value_more_for_every_seed_is_passed_by():
    """Older rows on the outside mirror the control behind the inside seed."""
    inside = Desk()
    sampler = inside.node("Sampler", 1, "fixed", 2, 3.0, "heun", "simple", 1.0, widgets=("seed", "steps"))
    ports = Ports()
    ports.enter("seed", "INT", (sampler, "seed"))
    ports.enter("steps", "INT", (sampler, "steps"))
    ports.leave("LATENT", "LATENT", sampler, 0)
    desk, _ = placed(inside, ports, 111, "randomize", 22)
    inputs = graph_of(desk.saved())["1:1"]["inputs"]
    assert (inputs["seed"], inputs["steps"]) == (111, 22)


def test_a_link_from_outside_wins_over_the_promoted_value():
    """It enters through the input of that name, in whatever order the node lists them."""
    inside, ports, _ = subgraph_of_canvas()
    desk, host = placed(inside, ports, 777)
    number = desk.node("PrimitiveInt", 5)
    host["inputs"] = [{"name": "other", "type": "X", "link": None}, {"name": "width", "type": "INT", "link": None}]
    desk.link(number, 0, host, "width")
    assert graph_of(desk.saved())["1:1"]["inputs"]["width"] == ["3", 0]


def test_subgraphs_nest_and_may_be_used_twice():
    """Each use has its own nodes and values."""
    inner, inner_ports, _ = subgraph_of_canvas()
    middle = Desk()
    middle.subgraph("inner", inner, inner_ports)
    host = middle.node("inner", 5, inputs={"width": "INT"}, outputs=["LATENT"])
    ports = Ports()
    ports.enter("wide", "INT", (host, "width"))
    ports.leave("LATENT", "LATENT", host, 0)
    desk, _ = placed(middle, ports, 800)
    second = desk.node("sub", 900, inputs={}, outputs=["LATENT"])
    desk.link(second, 0, desk.node("Decode"), "samples")
    graph = graph_of(desk.saved())
    assert graph["1:1:1"]["inputs"]["width"] == 800
    assert graph["3:1:1"]["inputs"]["width"] == 900
    assert graph["4"]["inputs"]["samples"] == ["3:1:1", 0]


def test_what_a_subgraph_only_passes_on_is_passed_on():
    """A link may lead from its input straight to its output."""
    ports = Ports()
    ports.enter("image", "IMAGE")
    ports.leave("image", "IMAGE", -10, 0)
    desk = Desk()
    desk.subgraph("sub", Desk(), ports)
    opened = desk.node("Open", "here.png", "image", 0)
    host = desk.node("sub", inputs={"image": "IMAGE"}, outputs=["IMAGE"])
    desk.link(opened, 0, host, "image")
    assert inputs_of(desk, shown(desk, host))["images"] == ["1", 0]


@pytest.mark.parametrize(("mode", "source"), [(2, None), (4, ["1", 0])])
def test_a_switched_off_subgraph_takes_its_inside_along(mode: int, source: Any):
    """Muted it is gone, bypassed it lets pass what has the type."""
    inside = Desk()
    tint = inside.node("Tint", 0.1)
    ports = Ports()
    ports.enter("image", "IMAGE", (tint, "image"))
    ports.leave("image", "IMAGE", tint, 0)
    desk = Desk()
    desk.subgraph("sub", inside, ports)
    opened = desk.node("Open", "here.png", "image", 0)
    host = desk.node("sub", inputs={"image": "IMAGE"}, outputs=["IMAGE"], mode=mode)
    desk.link(opened, 0, host, "image")
    save = shown(desk, host)
    graph = graph_of(desk.saved())
    assert set(graph) == {"1", str(save["id"])}
    assert graph[str(save["id"])]["inputs"].get("images") == source


def test_a_primitive_inside_is_changed_from_outside():
    """The list of inside widgets may name it."""
    inside = Desk()
    primitive = inside.node("PrimitiveNode", 3, "fixed", outputs=["INT"])
    canvas = inside.node("Canvas", 64, 128, 2, widgets=("width",))
    inside.link(primitive, 0, canvas, "width")
    ports = Ports()
    ports.leave("LATENT", "LATENT", canvas, 0)
    desk, _ = placed(inside, ports, 44, properties={"proxyWidgets": [["1", "value"]]})
    assert graph_of(desk.saved())["1:2"]["inputs"]["width"] == 44


def test_a_subgraph_within_itself_is_refused():
    """It would unfold for ever."""
    inside = Desk()
    inside.node("sub", inputs={}, outputs=[])
    desk = Desk()
    desk.subgraph("sub", inside, Ports())
    desk.node("sub", inputs={}, outputs=[])
    with pytest.raises(ConversionFailed, match="contains itself"):
        graph_of(desk.saved())


def test_subgraphs_that_multiply_are_refused():
    """Twenty levels of two would be a million nodes."""
    desk = Desk()
    for level in range(20):
        inside = Desk()
        inside.node(f"level{level + 1}", inputs={}, outputs=[])
        inside.node(f"level{level + 1}", inputs={}, outputs=[])
        desk.subgraph(f"level{level}", inside, Ports())
    desk.node("level0", inputs={}, outputs=[])
    with pytest.raises(ConversionFailed, match="more than"):
        graph_of(desk.saved())


def test_what_shows_on_the_outside_is_told():
    """With the label that the author gave it."""
    desk, _ = placed(*subgraph_of_canvas("How wide")[:2], 777)
    promotions = convert(desk.saved(), OBJECT_INFO).promotions
    shown_as = promotions["1:1", "width"]
    assert (shown_as.host_id, shown_as.name, shown_as.label) == ("1", "width", "How wide")
