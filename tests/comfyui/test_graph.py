"""A graph is what ComfyUI would run; what it would not run is named before it is sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backend.comfyui import Graph, InvalidInput, ObjectInfo
from tests.contracts.comfyui_replay import VERSIONS, recording

INFO = ObjectInfo.read(
    "1", json.loads((Path(__file__).parents[1] / "fakes/comfyui/object_info.json").read_text("utf-8"))
)
_LOADER = {
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "models/nope.safetensors"}},
    "5": {"class_type": "VAELoader", "inputs": {"vae_name": "pixel_space"}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "file.safetensors", "clip": ["4", 1]}},
    "7": {"class_type": "Unheard", "inputs": {"lora_name": "a.safetensors", "thing": "b.safetensors"}},
}


def _refused(document: Any) -> InvalidInput:
    with pytest.raises(InvalidInput) as error:
        Graph.parse(document)
    return error.value


@pytest.mark.parametrize("document", [None, [], [1, 2], "x", 7])
def test_a_graph_is_an_object(document: Any) -> None:
    """Anything else is refused in a sentence."""
    assert "JSON object" in _refused(document).message


def test_a_workflow_of_the_editor_is_told_apart() -> None:
    """It is the most common mistake, so it has a hint of its own."""
    error = _refused({"last_node_id": 3, "nodes": [], "links": [], "version": 0.4})

    assert error.details["format"] == "ui"
    assert "Export (API)" in error.hint


@pytest.mark.parametrize(
    ("document", "word"),
    [
        ({}, "no nodes"),
        ({"1": {"inputs": {}}}, "which class"),
        ({"1": {"class_type": "SaveImage"}}, "no inputs"),
        ({"2": {"class_type": "SaveImage", "inputs": {"images": ["99", 0]}}}, "node 99"),
    ],
)
def test_what_does_not_hold_together_is_named(document: Any, word: str) -> None:
    """No class, no inputs, a link to nowhere."""
    assert word in _refused(document).message


def test_a_circle_names_its_nodes_and_no_others() -> None:
    """What only waits for the circle is not part of it."""
    link = lambda source: {"class_type": "ImageInvert", "inputs": {"image": [source, 0]}}  # noqa: E731
    error = _refused({"0": {"class_type": "EmptyImage", "inputs": {}}, "1": link("2"), "2": link("1"), "3": link("1")})

    assert [each.node_id for each in error.problems] == ["1", "2"]
    assert {each.type for each in error.problems} == {"dependency_cycle"}


def test_a_long_chain_is_checked_in_no_time() -> None:
    """Ten thousand nodes behind a circle are one pass, not ten thousand."""
    link = lambda source: {"class_type": "ImageInvert", "inputs": {"image": [str(source), 0]}}  # noqa: E731
    document = {"0": link(1), "1": link(0), **{str(number): link(number - 1) for number in range(2, 10_000)}}

    assert len(_refused(document).problems) == 2


@pytest.mark.parametrize("version", VERSIONS)
def test_every_recorded_prompt_is_a_graph(version: str) -> None:
    """And keeps its document as it was sent."""
    document = next(
        line["request"]["prompt"]
        for line in recording(version, "run_ksampler_split_lora_upscale")
        if line["kind"] == "http" and line["path"] == "/prompt"
    )
    graph = Graph.parse(document)

    assert graph.document == document
    assert len(list(graph.links())) == 12
    assert INFO.output_nodes(graph) == ("9",)


def test_inputs_are_set_on_a_copy() -> None:
    """The old graph stays; a node that is not there is refused."""
    graph = Graph.parse({"1": {"class_type": "EmptyImage", "inputs": {"width": 1}, "_meta": {"title": "Canvas"}}})
    changed = graph.with_inputs({("1", "width"): 2, ("1", "height"): 3})

    assert graph.nodes["1"].inputs == {"width": 1}
    assert changed.nodes["1"].inputs == {"width": 2, "height": 3}
    assert changed.label("1") == "Canvas"
    with pytest.raises(InvalidInput):
        graph.with_inputs({("9", "width"): 2})


def test_the_digest_sees_what_is_computed() -> None:
    """Titles and order do not matter, values do."""
    one = {"class_type": "EmptyImage", "inputs": {"width": 1, "height": 2}}
    two = {"class_type": "EmptyImage", "inputs": {"height": 2, "width": 1}, "_meta": {"title": "x"}}
    other = {"class_type": "SolidMask", "inputs": {}}
    digest = Graph.parse({"a": one, "b": other}).digest

    assert Graph.parse({"b": other, "a": two}).digest == digest
    assert Graph.parse({"a": one, "b": {**other, "inputs": {"value": 1}}}).digest != digest


def test_models_are_found_with_their_folder() -> None:
    """By the list of choices; built-in names and texts are no models."""
    found = INFO.models(Graph.parse(_LOADER))

    assert [(each.node_id, each.name, each.folder, each.is_installed) for each in found] == [
        ("4", "models/nope.safetensors", "checkpoints", False),
        ("7", "a.safetensors", "loras", False),
    ]
    assert INFO.missing_models(Graph.parse(_LOADER)) == found


def test_classes_that_are_missing_are_listed() -> None:
    """Sorted, each once."""
    assert INFO.missing_classes(Graph.parse(_LOADER)) == ("Unheard",)


def test_problems_are_found_before_sending() -> None:
    """A class that is not there, an input that is not given, a choice that does not exist."""
    document = {
        "1": {"class_type": "Unheard", "inputs": {}},
        "2": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "3": {"class_type": "ImageScale", "inputs": {"image": ["2", 0], "upscale_method": "nope", "width": 1, "height": 1, "crop": "center"}},
    }  # fmt: skip
    found = [(each.node_id, each.type, each.input) for each in INFO.problems(Graph.parse(document))]

    assert found == [
        ("1", "missing_node_type", None),
        ("2", "required_input_missing", "color"),
        ("3", "value_not_in_list", "upscale_method"),
    ]


def test_a_choice_with_backslashes_is_the_same_choice() -> None:
    """Graphs that were made on Windows name sub-folders so."""
    document = {"Loader": {"input": {"required": {"ckpt_name": [["xl/a.safetensors"], {}]}}, "output": ["MODEL"]}}
    graph = Graph.parse({"1": {"class_type": "Loader", "inputs": {"ckpt_name": "xl\\a.safetensors"}}})

    assert ObjectInfo.read("1", document).missing_models(graph) == ()


def test_choices_of_new_style_nodes_are_read() -> None:
    """Their type is COMBO, and the choices are an option."""
    document = {"New": {"input": {"required": {"mode": ["COMBO", {"options": ["a", "b"]}]}}, "output": []}}

    assert ObjectInfo.read("1", document).classes["New"].inputs["mode"].choices == ("a", "b")
