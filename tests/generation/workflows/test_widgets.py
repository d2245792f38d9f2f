"""Values that are saved in a row without names get the names that the front end means."""

from __future__ import annotations

from typing import Any

import pytest

from backend.generation.workflows import find_problems
from tests.generation.workflows.desk import OBJECT_INFO, Desk, graph_of, inputs_of, shown


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
