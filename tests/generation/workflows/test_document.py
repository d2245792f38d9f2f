"""A workflow is found in whatever carries one, and what carries none says so."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.generation.workflows import (
    NotAWorkflow,
    NoWorkflowInside,
    WorkflowError,
    WorkflowTooLarge,
    parse_document,
    read_document,
)
from backend.generation.workflows.embedded import blocks
from backend.generation.workflows.errors import WorkflowDamaged
from tests.generation.workflows import carriers
from tests.generation.workflows.desk import text_to_image

EDITOR = {**text_to_image()[0].saved(), "extra": {"note": "Käse ✓ " * 40_000}}
GRAPH = {"1": {"class_type": "Save", "inputs": {}}}
TEXTS = {"prompt": json.dumps(GRAPH), "workflow": json.dumps(EDITOR)}
SMALL = {"prompt": json.dumps(GRAPH), "workflow": json.dumps(text_to_image()[0].saved())}
CARRIERS: dict[str, Callable[[], bytes]] = {
    "png": lambda: carriers.png(TEXTS),
    "png, packed": lambda: carriers.png(TEXTS, form=b"zTXt"),
    "png, international": lambda: carriers.png(TEXTS, form=b"iTXt"),
    "png, animated": lambda: carriers.png(TEXTS, form=b"comf"),
    "webp": lambda: carriers.webp(TEXTS),
    "mp4": lambda: carriers.mp4(TEXTS),
    "matroska": lambda: carriers.matroska(TEXTS),
    "matroska, live": lambda: carriers.matroska(TEXTS, is_live=True),
    "flac": lambda: carriers.flac(TEXTS),
    "ogg": lambda: carriers.ogg(TEXTS),
    "mp3": lambda: carriers.mp3(TEXTS),
    "mp3, older": lambda: carriers.mp3(TEXTS, version=3),
}


@pytest.mark.parametrize("name", CARRIERS)
def test_both_formats_are_found_in_every_carrier(name: str):
    """The editor's format and what was run, long texts and all scripts."""
    document = read_document(BytesIO(CARRIERS[name]()))
    assert document.editor == EDITOR
    assert document.graph == GRAPH
    assert document.carrier == name.partition(",")[0]
    assert document.best == EDITOR


def test_a_jpeg_carries_what_fits_into_its_segment():
    """64 KiB of EXIF in the other byte order."""
    assert read_document(carriers.jpeg(SMALL)).graph == GRAPH


def test_a_comment_may_hold_everything():
    """Other savers write one text; the graph in it may be text again."""
    document = read_document(carriers.mp4_comment(json.dumps({"prompt": json.dumps(GRAPH), "workflow": EDITOR})))
    assert (document.editor, document.graph) == (EDITOR, GRAPH)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda: EDITOR,
        lambda: {"workflow": EDITOR},
        lambda: {"workflow": json.dumps(EDITOR)},
        lambda: {"prompt": GRAPH, "extra_data": {"extra_pnginfo": {"workflow": EDITOR}}},
    ],
)
def test_json_may_be_wrapped(wrap: Callable[[], Any]):
    """As the body of POST /prompt, or as other tools export it."""
    assert parse_document(json.dumps(wrap())).editor == EDITOR


def test_a_graph_alone_is_a_document():
    """There is nothing to edit, but it runs."""
    document = parse_document(json.dumps({"prompt": GRAPH, "client_id": "x"}))
    assert (document.editor, document.graph, document.best) == (None, GRAPH, GRAPH)


def test_not_a_number_becomes_null():
    """Python's writers let NaN through; browsers do not read it."""
    graph = parse_document('{"1": {"class_type": "A", "inputs": {"x": NaN}}}').graph
    assert graph == {"1": {"class_type": "A", "inputs": {"x": None}}}


@pytest.mark.parametrize(
    "text", ["", "hello", "[]", "3", "{}", '{"nodes": 3}', '{"nodes": [{"id": 1}]}', '{"a": {"b": 1}}', "[" * 100_000]
)
def test_other_json_is_no_workflow(text: str):
    """The complaint says what is missing."""
    with pytest.raises(NotAWorkflow):
        read_document(text.encode())


@pytest.mark.parametrize("texts", [{}, {"parameters": "a cat, Steps: 20"}, {"workflow": "{broken"}, {"prompt": "{}"}])
def test_a_picture_without_workflow_says_so(texts: dict[str, str]):
    """Pictures of other programs carry other things."""
    with pytest.raises(NoWorkflowInside) as caught:
        read_document(carriers.png(texts))
    assert "png" in caught.value.message


@pytest.mark.parametrize("name", CARRIERS)
def test_half_a_file_is_damaged_or_still_readable(name: str):
    """Nothing but our own errors comes out of any cut."""
    whole = CARRIERS[name]()
    for length in (17, 40, len(whole) // 3, len(whole) - 30):
        with contextlib.suppress(WorkflowError):
            read_document(whole[:length])


def test_a_cut_file_without_text_is_called_damaged():
    """It is no wonder then that nothing is inside."""
    with pytest.raises(WorkflowDamaged):
        read_document(carriers.png({}, is_cut=True))


def test_a_packed_text_that_explodes_is_refused(monkeypatch: pytest.MonkeyPatch):
    """A megabyte of zeros fits into a kilobyte."""
    monkeypatch.setattr("backend.generation.workflows.embedded.png.MAX_TEXT_BYTES", 1000)
    with pytest.raises(WorkflowTooLarge):
        read_document(carriers.png({"workflow": "x" * 100_000}, form=b"zTXt"))


def test_a_text_longer_than_any_workflow_is_refused(monkeypatch: pytest.MonkeyPatch):
    """In any carrier, and as JSON itself."""
    monkeypatch.setattr(blocks, "MAX_TEXT_BYTES", 1000)
    monkeypatch.setattr("backend.generation.workflows.document.MAX_JSON_BYTES", 1000)
    for data in (carriers.png(TEXTS), carriers.mp4(TEXTS), json.dumps(EDITOR).encode()):
        with pytest.raises(WorkflowTooLarge):
            read_document(data)


@given(st.sampled_from(sorted(CARRIERS)), st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=8))
def test_broken_bytes_never_break_the_reader(name: str, changes: list[tuple[int, int]]):
    """Whatever a file holds, the outcome is a document or an error that a person can read."""
    small = {
        "png": carriers.png, "webp": carriers.webp, "mp4": carriers.mp4, "matroska": carriers.matroska,
        "flac": carriers.flac, "ogg": carriers.ogg, "mp3": carriers.mp3,
    }[name.partition(",")[0]](SMALL)  # fmt: skip
    data = bytearray(small)
    for place, value in changes:
        data[place % len(data)] = value
    with contextlib.suppress(WorkflowError):
        read_document(bytes(data))
