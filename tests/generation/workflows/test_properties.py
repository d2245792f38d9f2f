"""Whatever lies on the canvas: what comes out of the converter can be posted."""

from __future__ import annotations

import contextlib
import json
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from backend.generation.workflows import ConversionFailed, convert
from backend.generation.workflows.validation import is_link
from tests.generation.workflows.desk import OBJECT_INFO, Desk, Ports

KINDS = [
    "Tint",
    "Blend",
    "Open",
    "Reroute",
    "Save",
    "Resize",
    "Forced",
    "Rows",
    "Note",
    "PrimitiveNode",
    "sub",
    "Canvas",
]
SHAPES: dict[str, tuple[dict[str, str], list[str]]] = {
    "Reroute": ({"": "*"}, ["*"]),
    "Note": ({}, []),
    "PrimitiveNode": ({}, ["INT"]),
    "sub": ({"image": "IMAGE"}, ["IMAGE", "LATENT"]),
}


def laid_out(seed: int, depth: int = 0) -> Desk:
    """A canvas of random nodes, links, modes and subgraphs."""
    dice = random.Random(seed)
    desk = Desk()
    if depth < 2:
        inside = laid_out(seed + 1, depth + 1)
        ports = Ports()
        eaters = [node for node in inside.nodes for socket in node["inputs"] if socket["type"] == "IMAGE"]
        if eaters:
            name = next(socket["name"] for socket in eaters[0]["inputs"] if socket["type"] == "IMAGE")
            ports.enter("image", "IMAGE", (eaters[0], name))
        givers = [node for node in inside.nodes if node["outputs"]]
        if givers:
            ports.leave("IMAGE", "IMAGE", dice.choice(givers), 0)
        ports.leave("LATENT", "LATENT", -10, 0)
        desk.subgraph(f"sub{depth}", inside, ports)
    for _ in range(dice.randint(1, 8)):
        kind = dice.choice(KINDS)
        values = [dice.choice([None, 1, "x", 0.5, "size", "randomize", [1]]) for _ in range(dice.randint(0, 6))]
        inputs, outputs = SHAPES.get(kind, (None, None))
        real = f"sub{depth}" if kind == "sub" else kind
        if kind == "sub" and depth == 2:
            continue
        desk.node(real, *values, inputs=inputs, outputs=outputs, mode=dice.choice([0, 0, 0, 2, 4]))
    for target in desk.nodes:
        for socket in target["inputs"]:
            givers = [node for node in desk.nodes if node["outputs"]]
            if givers and dice.random() < 0.8:
                origin = dice.choice(givers)
                desk.link(origin, dice.randrange(len(origin["outputs"])), target, socket["name"])
    if dice.random() < 0.3 and desk.links:
        desk.links.pop(dice.randrange(len(desk.links)))
    return desk


@settings(max_examples=300)
@given(st.integers(0, 2**32))
def test_every_link_of_the_result_leads_to_an_output_that_is_there(seed: int):
    """And nothing of the editor's own survives."""
    graph: dict[str, Any] = {}
    complaint = "circle"
    try:
        graph = convert(laid_out(seed).saved(), OBJECT_INFO).graph
    except ConversionFailed as error:
        complaint = error.message
    assert "circle" in complaint
    for node in graph.values():
        assert node["class_type"] in OBJECT_INFO
        for value in node["inputs"].values():
            if isinstance(value, list):
                assert is_link(value)
                outputs = OBJECT_INFO[graph[value[0]]["class_type"]]["output"]
                assert 0 <= value[1] < len(outputs)
    assert json.loads(json.dumps(graph)) == graph


_json: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-20, 600) | st.text(max_size=4) | st.sampled_from(list(OBJECT_INFO)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["id", "type", "inputs", "outputs", "link", "name", "widget", "mode", "links", "properties"]
            )
            | st.sampled_from(["widgets_values", "proxyWidgets", "linkIds", "origin_id", "widgets_values_named"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(st.fixed_dictionaries({"nodes": st.lists(_json, max_size=6), "links": st.lists(_json, max_size=6)}))
def test_no_file_breaks_the_converter(content: dict[str, Any]):
    """Nonsense gives little, or an error that a person can read."""
    with contextlib.suppress(ConversionFailed):
        convert(content, OBJECT_INFO)
