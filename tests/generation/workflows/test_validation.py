"""What the server would refuse is said before, and so that a person can act on it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from backend.generation.workflows import Trouble, convert, find_problems
from tests.generation.workflows.desk import OBJECT_INFO, text_to_image

GRAPH = convert(text_to_image()[0].saved(), OBJECT_INFO).graph


def broken(change: Callable[[Any], object]) -> list[tuple[str, str, Trouble]]:
    graph: Any = copy.deepcopy(GRAPH)
    change(graph)
    return [(problem.node_id, problem.input, problem.trouble) for problem in find_problems(graph, OBJECT_INFO)]


def put(node_id: str, name: str, value: Any) -> Callable[[Any], None]:
    def change(graph: Any) -> None:
        graph[node_id]["inputs"][name] = value

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (put("1", "ckpt_name", "gone.safetensors"), ("1", "ckpt_name", Trouble.NOT_A_CHOICE)),
        (put("5", "steps", 0), ("5", "steps", Trouble.OUT_OF_RANGE)),
        (put("5", "cfg", 101), ("5", "cfg", Trouble.OUT_OF_RANGE)),
        (put("5", "steps", "many"), ("5", "steps", Trouble.WRONG_TYPE)),
        (put("5", "steps", None), ("5", "steps", Trouble.WRONG_TYPE)),
        (put("5", "model", ["1", 2]), ("5", "model", Trouble.BAD_LINK)),
        (put("5", "model", ["1", 9]), ("5", "model", Trouble.BAD_LINK)),
        (put("5", "model", ["99", 0]), ("5", "model", Trouble.BAD_LINK)),
        (put("5", "model", ["1"]), ("5", "model", Trouble.BAD_LINK)),
        (lambda graph: graph["5"]["inputs"].pop("seed"), ("5", "seed", Trouble.MISSING_INPUT)),
        (lambda graph: graph["4"].update(class_type="Gone"), ("4", "", Trouble.UNKNOWN_NODE)),
        (lambda graph: graph.pop("7"), ("", "", Trouble.NO_OUTPUT)),
    ],
)
def test_every_complaint_names_its_place(change: Callable[[Any], object], expected: tuple[str, str, Trouble]):
    """Node, input and what is wrong; nothing else is blamed."""
    assert broken(change) == [expected]


@pytest.mark.parametrize("value", ["12", 12.0, True])
def test_values_that_the_server_converts_are_fine(value: Any):
    """It calls int() and float() itself."""
    assert broken(put("5", "steps", value)) == []


def test_a_complaint_reads_well():
    """Title, input, value and what is possible."""
    graph: Any = copy.deepcopy(GRAPH)
    graph["1"]["_meta"]["title"] = "Weights"
    graph["1"]["inputs"]["ckpt_name"] = "gone.safetensors"
    (problem,) = find_problems(graph, OBJECT_INFO)
    assert problem.message == (
        "Weights: ckpt_name cannot be 'gone.safetensors': choose one of a.safetensors, b.safetensors."
    )
    assert problem.as_dict()["code"] == "not_a_choice"


def test_what_leads_nowhere_is_not_judged_but_must_exist():
    """The server checks values of outputs and what feeds them, and the class of every node."""
    extra: Any = {"20": {"class_type": "Canvas", "inputs": {}}, "21": {"class_type": "Gone", "inputs": {}}}
    assert broken(lambda graph: graph.update(extra)) == [("21", "", Trouble.UNKNOWN_NODE)]


def test_a_missing_upload_is_no_missing_model():
    """It is to be uploaded, not downloaded."""
    graph = {
        "1": {"class_type": "Open", "inputs": {"image": "gone.png"}},
        "2": {"class_type": "Save", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
    }
    (problem,) = find_problems(graph, OBJECT_INFO)
    assert (problem.trouble, problem.value) == (Trouble.MISSING_FILE, "gone.png")


def test_dynamic_inputs_are_checked_as_far_as_they_are_chosen():
    """Inputs of other options are not missed, those of the chosen one are."""
    graph: Any = {
        "1": {"class_type": "Open", "inputs": {"image": "here.png"}},
        "2": {"class_type": "Resize", "inputs": {"image": ["1", 0], "how": "size", "how.width": 0, "method": "area"}},
        "3": {"class_type": "Stack", "inputs": {"images.image1": ["2", 0]}},
        "4": {"class_type": "Save", "inputs": {"images": ["3", 0], "filename_prefix": "x"}},
    }
    assert [(each.node_id, each.input, each.trouble) for each in find_problems(graph, OBJECT_INFO)] == [
        ("2", "how.width", Trouble.OUT_OF_RANGE),
        ("2", "how.height", Trouble.MISSING_INPUT),
        ("3", "images.image0", Trouble.MISSING_INPUT),
    ]


def test_several_choices_at_once_are_each_checked():
    """They are wrapped, since a bare list is a link."""
    graph: Any = {
        "1": {"class_type": "Open", "inputs": {"image": "here.png"}},
        "2": {"class_type": "Many", "inputs": {"image": ["1", 0], "tags": {"__value__": ["red", "blue"]}}},
        "3": {"class_type": "Save", "inputs": {"images": ["2", 0], "filename_prefix": "x"}},
    }
    assert find_problems(graph, OBJECT_INFO) == []
    graph["2"]["inputs"]["tags"]["__value__"].append("green")
    assert [each.trouble for each in find_problems(graph, OBJECT_INFO)] == [Trouble.NOT_A_CHOICE]
