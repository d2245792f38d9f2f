"""The inputs that a person would want to change are found, and titles have the last word."""

from __future__ import annotations

import pytest

from backend.generation.workflows import (
    Document,
    Field,
    Group,
    Kind,
    Role,
    infer_inputs,
    prepare,
)
from backend.generation.workflows.inputs.titles import Annotation, read_title
from tests.generation.workflows.desk import OBJECT_INFO, Desk, Ports, graph_of, text_to_image


def fields_of(desk: Desk) -> dict[str, Field]:
    return {field.name: field for field in prepare(Document(desk.saved(), None), OBJECT_INFO).fields}


USUAL, NODES = text_to_image()
GRAPH = graph_of(USUAL.saved())
FIELDS = infer_inputs(GRAPH, OBJECT_INFO)


def test_the_usual_workflow_has_the_usual_inputs():
    """Named as everybody names them, the important ones first."""
    assert [(field.name, field.default) for field in FIELDS if field.group is Group.MAIN] == [
        ("prompt", "a cat"),
        ("negative_prompt", "blurry"),
        ("seed", 7),
        ("width", 640),
        ("height", 480),
        ("steps", 12),
        ("cfg", 6.5),
        ("checkpoint", "a.safetensors"),
    ]
    assert [field.name for field in FIELDS if field.group is Group.ADVANCED] == [
        "batch_size",
        "sampler",
        "scheduler",
        "denoise",
    ]


def test_a_field_says_what_it_takes():
    """Ranges, steps and choices come from the class."""
    by_name = {field.name: field for field in FIELDS}
    width, sampler, seed = by_name["width"], by_name["sampler"], by_name["seed"]
    assert (width.kind, width.minimum, width.maximum, width.step) == (Kind.INTEGER, 16, 4096, 8)
    assert (width.node_id, width.input_name) == ("4", "width")
    assert (sampler.kind, sampler.choices) == (Kind.CHOICE, ("euler", "heun"))
    assert (seed.kind, seed.maximum) == (Kind.SEED, 2**64 - 1)
    assert seed.as_dict()["targets"] == [{"node_id": "5", "input": "seed"}]


def test_prompts_are_found_behind_what_changes_conditioning():
    """Positive stays positive through a node with both."""
    desk, nodes = text_to_image()
    guide = desk.node("Guide", 0.5)
    for name, slot in (("positive", 0), ("negative", 1)):
        desk.link(nodes[name], 0, guide, name)
        desk.link(guide, slot, nodes["sampler"], name)
    fields = fields_of(desk)
    assert (fields["prompt"].default, fields["negative_prompt"].default) == ("a cat", "blurry")


def test_a_zeroed_negative_prompt_is_none():
    """What is emptied has no effect, and the same text is not offered twice."""
    desk, nodes = text_to_image()
    zero = desk.node("ConditioningZeroOut")
    desk.link(nodes["positive"], 0, zero, "conditioning")
    desk.link(zero, 0, nodes["sampler"], "negative")
    fields = fields_of(desk)
    assert "prompt" in fields
    assert "negative_prompt" not in fields


def test_values_are_found_where_they_are_written():
    """A prompt and a width may come from nodes that only hold a value."""
    desk, nodes = text_to_image()
    text, number = desk.node("PrimitiveString", "a dog"), desk.node("PrimitiveInt", 1024)
    for node, name in ((nodes["positive"], "text"), (nodes["canvas"], "width")):
        node["inputs"].append({"name": name, "type": "*", "link": None, "widget": {"name": name}})
    desk.link(text, 0, nodes["positive"], "text")
    desk.link(number, 0, nodes["canvas"], "width")
    fields = fields_of(desk)
    assert (fields["prompt"].default, fields["prompt"].node_id) == ("a dog", str(text["id"]))
    assert (fields["width"].default, fields["width"].node_id) == (1024, str(number["id"]))


def test_uploads_are_required_when_the_default_is_not_here():
    """A picture that another machine had cannot be used."""
    desk = Desk()
    here, elsewhere = (
        desk.node("Open", "here.png", "image", 0),
        desk.node("Open", "other.png", "image", 0, title="Face"),
    )
    for node in (here, elsewhere):
        desk.link(node, 0, desk.node("Save", "x"), "images")
    fields = fields_of(desk)
    assert (fields["image"].kind, fields["image"].required) == (Kind.IMAGE, False)
    assert (fields["image_2"].required, fields["image_2"].label) == (True, "Face")


def test_what_leads_to_no_output_is_not_offered():
    """It would change nothing."""
    desk, _ = text_to_image()
    desk.node("Lora", "fast.safetensors", 1.0)
    assert "lora" not in fields_of(desk)


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("[input] Strength", Annotation(Group.MAIN, "Strength")),
        (" [ Input : amount ]  How much ", Annotation(Group.MAIN, "How much", "amount")),
        ("[advanced] Fine", Annotation(Group.ADVANCED, "Fine")),
        ("[hidden] mine", Annotation(Group.MAIN, "mine", is_hidden=True)),
        ("prompt:positive", Annotation(role=Role.PROMPT)),
        ("Prompt: NEGATIVE what to avoid", Annotation(role=Role.NEGATIVE_PROMPT)),
        ("Positive prompt", None),
        ("input", None),
    ],
)
def test_titles_are_read(title: str, expected: Annotation | None):
    """The convention, in any case and with any blanks."""
    assert read_title(title) == expected


def tinted(title: str) -> dict[str, Field]:
    desk, nodes = text_to_image()
    tint = desk.node("Tint", 0.25, title=title)
    desk.link(nodes["decode"], 0, tint, "image")
    desk.link(tint, 0, nodes["save"], "images")
    return fields_of(desk)


def test_a_title_makes_an_input_of_any_value():
    """With the label that it says, and a name made of it."""
    field = tinted("[input] Warm tint!")["warm_tint"]
    assert (field.label, field.default, field.kind, field.group) == ("Warm tint!", 0.25, Kind.NUMBER, Group.MAIN)
    assert (field.minimum, field.maximum) == (0.0, 1.0)


def test_a_title_may_name_the_value_and_put_it_behind_more():
    """Without a label the value's own name is shown."""
    field = tinted("[advanced:amount]")["amount"]
    assert (field.label, field.group) == ("Amount", Group.ADVANCED)


def test_a_plain_title_makes_no_input():
    """Every node has one."""
    assert set(tinted("Tint")) == {field.name for field in FIELDS}


def test_a_title_hides_what_would_be_found():
    """The author has the last word."""
    desk, nodes = text_to_image()
    nodes["loader"]["title"] = "[hidden] weights"
    assert "checkpoint" not in fields_of(desk)


def test_titles_say_which_text_is_the_prompt():
    """Where following links would find another one."""
    desk, nodes = text_to_image()
    nodes["negative"]["title"], nodes["positive"]["title"] = "prompt:positive", "prompt:negative"
    fields = fields_of(desk)
    assert (fields["prompt"].default, fields["negative_prompt"].default) == ("blurry", "a cat")


def test_what_a_subgraph_shows_is_offered_with_its_label():
    """Also a value whose name says nothing."""
    inside = Desk()
    tint = inside.node("Tint", 0.5, widgets=("amount",))
    ports = Ports()
    ports.enter("image", "IMAGE", (tint, "image"))
    ports.enter("amount", "FLOAT", (tint, "amount"), label="warmth")
    ports.leave("image", "IMAGE", tint, 0)
    desk = Desk()
    desk.subgraph("sub", inside, ports)
    opened = desk.node("Open", "here.png", "image", 0)
    host = desk.node("sub", 0.75, inputs={"image": "IMAGE"}, outputs=["IMAGE"])
    desk.link(opened, 0, host, "image")
    desk.link(host, 0, desk.node("Save", "x"), "images")
    field = fields_of(desk)["warmth"]
    assert (field.label, field.default, field.group, field.node_id) == ("Warmth", 0.75, Group.MAIN, "2:1")


def test_upper_nodes_come_first():
    """Two fields of one role are ordered as they stand on the canvas."""
    desk = Desk()
    low = desk.node("Open", "here.png", "image", 0, title="Low", pos=[0, 500])
    high = desk.node("Open", "here.png", "image", 0, title="High", pos={"0": 0, "1": -5})
    for node in (low, high):
        desk.link(node, 0, desk.node("Save", "x"), "images")
    assert [field.label for field in fields_of(desk).values()] == ["High", "Low"]


def test_a_graph_alone_has_inputs_too():
    """Without titles and positions."""
    document = Document(None, GRAPH)
    assert prepare(document, OBJECT_INFO).fields == FIELDS


def test_a_picture_whose_editor_format_cannot_be_converted_runs_what_was_run():
    """Both are inside; one is enough."""
    desk = Desk()
    desk.node("Gone", inputs={"x": "IMAGE"})
    assert prepare(Document(desk.saved(), GRAPH), OBJECT_INFO).graph == GRAPH
