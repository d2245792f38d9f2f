"""The inputs that a person would want to change are found, described and bound."""

from __future__ import annotations

import copy
import random
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.generation.workflows import (
    Bound,
    Document,
    Field,
    Group,
    InvalidInputs,
    Kind,
    Role,
    bind,
    convert,
    find_problems,
    infer_inputs,
    json_schema,
    prepare,
)
from backend.generation.workflows.inputs.titles import Annotation, read_title
from tests.generation.workflows.desk import OBJECT_INFO, Desk, Ports, text_to_image


def fields_of(desk: Desk) -> dict[str, Field]:
    return {field.name: field for field in prepare(Document(desk.saved(), None), OBJECT_INFO).fields}


def graph_of(desk: Desk) -> Any:
    return convert(desk.saved(), OBJECT_INFO).graph


USUAL, NODES = text_to_image()
GRAPH = graph_of(USUAL)
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


SCHEMA = json_schema(FIELDS, "Usual")


def test_the_schema_is_valid_and_takes_the_defaults():
    """Draft 2020-12; nothing is required here."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate({field.name: field.default for field in FIELDS}, SCHEMA)
    jsonschema.validate({"seed": "random", "n": 4, "size": "640x480"}, SCHEMA)
    jsonschema.validate({"seed": -1, "seeds": [1, 2]}, SCHEMA)


@pytest.mark.parametrize(
    "values", [{"width": 8}, {"steps": 1.5}, {"sampler": "x"}, {"size": "big"}, {"n": 0}, {"seed": -2}, {"nope": 1}]
)
def test_the_schema_and_binding_refuse_the_same(values: dict[str, Any]):
    """A form that checks with the schema meets no surprise."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(values, SCHEMA)
    with pytest.raises(InvalidInputs) as caught:
        bind(GRAPH, FIELDS, values)
    assert set(caught.value.details["fields"]) == set(values)


def test_binding_sets_the_values_and_nothing_else():
    """The given graph stays as it was."""
    before = copy.deepcopy(GRAPH)
    (bound,) = bind(GRAPH, FIELDS, {"prompt": "a dog", "size": "512x768", "sampler": "euler", "cfg": 3})
    assert before == GRAPH
    changed = {
        (node_id, name): value
        for node_id, node in bound.graph.items()
        for name, value in node["inputs"].items()
        if value != GRAPH[node_id]["inputs"][name]
    }
    assert changed == {
        ("2", "text"): "a dog",
        ("4", "width"): 512,
        ("4", "height"): 768,
        ("5", "sampler_name"): "euler",
        ("5", "cfg"): 3,
    }
    assert bound.seed == 7
    assert bound.values["steps"] == 12


def test_every_wrong_field_is_named_at_once():
    """With one reason each."""
    with pytest.raises(InvalidInputs) as caught:
        bind(GRAPH, FIELDS, {"width": 7, "steps": "many", "sampler": "magic", "cgf": 1, "prompt": 5})
    reasons = caught.value.details["fields"]
    assert reasons == {
        "width": "must be at least 16",
        "steps": "must be a whole number",
        "sampler": "must be one of euler, heun",
        "cgf": "is no input of this workflow; did you mean cfg?",
        "prompt": "must be text",
    }


def test_forms_may_send_text():
    """HTML knows nothing else."""
    (bound,) = bind(GRAPH, FIELDS, {"width": "640", "cfg": " 2.5 ", "seed": "12"})
    assert (bound.values["width"], bound.values["cfg"], bound.seed) == (640, 2.5, 12)


@pytest.mark.parametrize("wish", [-1, "random", "-1", " Random "])
def test_a_random_seed_is_drawn_and_told(wish: Any):
    """Within what every JSON reader keeps exact."""
    (bound,) = bind(GRAPH, FIELDS, {"seed": wish}, dice=random.Random(1))
    assert bound.seed == bound.values["seed"] == bound.graph["5"]["inputs"]["seed"]
    assert 0 <= (bound.seed or -1) <= 2**50


def test_several_runs_count_up_from_a_given_seed():
    """So that a run can be repeated one by one."""
    assert [bound.seed for bound in bind(GRAPH, FIELDS, {"n": 3, "seed": 41})] == [41, 42, 43]
    assert [bound.seed for bound in bind(GRAPH, FIELDS, {"seeds": [5, 3]})] == [5, 3]
    drawn = [bound.seed for bound in bind(GRAPH, FIELDS, {"n": 4, "seed": "random"})]
    assert len(set(drawn)) == 4


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"n": 65}, "n"),
        ({"n": 3, "seeds": [1, 2]}, "n"),
        ({"seeds": []}, "seeds"),
        ({"seeds": ["x"]}, "seeds"),
        ({"n": 2, "seed": 2**64 - 1}, "seed"),
    ],
)
def test_batches_that_make_no_sense_are_refused(values: dict[str, Any], field: str):
    """The complaint stands at the field that is wrong."""
    with pytest.raises(InvalidInputs) as caught:
        bind(GRAPH, FIELDS, values)
    assert field in caught.value.details["fields"]


def test_a_workflow_without_seed_runs_once():
    """More runs would all give the same."""
    desk = Desk()
    desk.link(desk.node("Open", "here.png", "image", 0), 0, desk.node("Save", "x"), "images")
    prepared = prepare(Document(desk.saved(), None), OBJECT_INFO)
    assert len(bind(prepared.graph, prepared.fields, {})) == 1
    with pytest.raises(InvalidInputs, match="no seed"):
        bind(prepared.graph, prepared.fields, {"n": 2})


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b", "", 5, "x\0y"])
def test_uploads_stay_in_the_input_folder(name: Any):
    """A name is no path out of it."""
    desk = Desk()
    desk.link(desk.node("Open", "other.png", "image", 0), 0, desk.node("Save", "x"), "images")
    prepared = prepare(Document(desk.saved(), None), OBJECT_INFO)
    with pytest.raises(InvalidInputs):
        bind(prepared.graph, prepared.fields, {"image": name})
    with pytest.raises(InvalidInputs, match="required"):
        bind(prepared.graph, prepared.fields, {})


_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
_names = st.sampled_from([field.name for field in FIELDS] + ["n", "seeds", "size", "other"])


@given(st.dictionaries(_names, _anything, max_size=6))
def test_any_value_is_either_bound_or_named(values: dict[str, Any]):
    """What is bound runs; what is not has a reason under a name that was given."""
    runs: tuple[Bound, ...] = ()
    named: set[str] = set()
    try:
        runs = bind(GRAPH, FIELDS, values)
    except InvalidInputs as error:
        named = set(error.details["fields"])
    assert bool(runs) is not bool(named)
    assert named <= set(values)
    for bound in runs:
        assert find_problems(bound.graph, OBJECT_INFO) == []
        assert set(bound.values) == {field.name for field in FIELDS}


_fitting = st.fixed_dictionaries(
    {},
    optional={
        "prompt": st.text(max_size=20),
        "width": st.integers(16, 4096),
        "cfg": st.floats(0, 100),
        "denoise": st.floats(0, 1),
        "sampler": st.sampled_from(["euler", "heun"]),
        "seed": st.integers(0, 2**63),
        "n": st.integers(1, 4),
    },
)


@given(_fitting)
def test_what_the_schema_takes_is_bound(values: dict[str, Any]):
    """And stands in the graph as it was given."""
    jsonschema.validate(values, SCHEMA)
    runs = bind(GRAPH, FIELDS, values)
    assert len(runs) == values.get("n", 1)
    targets = {field.name: field.targets[0] for field in FIELDS}
    for name in values.keys() - {"n", "seed"}:
        target = targets[name]
        assert runs[0].graph[target.node_id]["inputs"][target.input] == values[name]
