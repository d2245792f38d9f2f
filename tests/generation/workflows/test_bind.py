"""Values are bound to the inputs of a workflow, or refused with a reason for each."""

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
    InvalidInputs,
    bind,
    find_problems,
    infer_inputs,
    json_schema,
    prepare,
)
from backend.generation.workflows.inputs.choices import draw_choices
from tests.generation.workflows.desk import OBJECT_INFO, Desk, graph_of, text_to_image

USUAL, NODES = text_to_image()
GRAPH = graph_of(USUAL.saved())
FIELDS = infer_inputs(GRAPH, OBJECT_INFO)
SCHEMA = json_schema(FIELDS, "Usual", with_runs=True)


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


def test_choices_within_a_text_are_drawn_for_each_run():
    """As the front end does; what was drawn is told, so that it can be repeated."""
    prompt = "a {red|{light|dark} blue} house"
    runs = bind(GRAPH, FIELDS, {"prompt": prompt, "n": 40, "seed": 1}, dice=random.Random(3))
    assert {bound.values["prompt"] for bound in runs} == {
        "a red house",
        "a light blue house",
        "a dark blue house",
    }
    assert all(bound.graph["2"]["inputs"]["text"] == bound.values["prompt"] for bound in runs)


@pytest.mark.parametrize(
    "text", ['{"a": {"b": 1}}', "plain", "{one}", r"\{a|b\}", "a|b", "}{", "{" * 5000 + "|", "{" + "|" * 90_000]
)
def test_a_text_without_choices_stays_as_it_is(text: str):
    """JSON is a prompt too."""
    assert draw_choices(text, random.Random(1)) == text


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
    for name in values.keys() - {"n", "seed"} - ({"prompt"} if "|" in values.get("prompt", "") else set()):
        target = targets[name]
        assert runs[0].graph[target.node_id]["inputs"][target.input] == values[name]
