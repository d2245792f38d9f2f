"""Subgraphs unfold as the front end unfolds them, whichever version saved them."""

from __future__ import annotations

from typing import Any

import pytest

from backend.generation.workflows import ConversionFailed, convert
from tests.generation.workflows.desk import OBJECT_INFO, Desk, Ports, graph_of, inputs_of, shown


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
