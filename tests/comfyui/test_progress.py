"""Progress is told from the recordings: in order, once, and never more than there is."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

import pytest

from backend.comfyui import (
    Graph,
    HistoryRecord,
    NodeFinished,
    NodesCached,
    NodeStarted,
    Produced,
    Progress,
    Queued,
    Started,
    Step,
    Tracker,
)
from backend.comfyui.endings import Ending, outcome_of
from backend.comfyui.frames import decode
from backend.comfyui.messages import Message
from tests.contracts.comfyui_replay import VERSIONS, names, recording

_RUNS = [(version, name) for version in VERSIONS for name in [*names(version, "run_"), "ws_misc"]]


def _prompts(lines: list[dict[str, Any]]) -> dict[str, Graph]:
    return {
        line["response"]["prompt_id"]: Graph.parse(line["request"]["prompt"])
        for line in lines
        if line["kind"] == "http" and line["path"] == "/prompt" and line.get("status") == 200 and "request" in line
    }


def _messages(lines: list[dict[str, Any]]) -> list[Message]:
    frames = [
        json.dumps(line["data"]) if line["kind"] == "ws" else base64.b64decode(line["b64"])
        for line in lines
        if line["kind"] == "ws" or (line["kind"] == "ws_bin" and "b64" in line)
    ]
    return [decode(frame) for frame in frames]


def _told(tracker: Tracker, messages: list[Message]) -> list[Progress]:
    told: list[Progress] = []
    ratio = 0.0
    for message in messages:
        told += tracker.see(message)
        assert ratio <= tracker.snapshot.ratio <= 1.0
        ratio = tracker.snapshot.ratio
    return told


@pytest.mark.parametrize(("version", "name"), _RUNS)
def test_every_recording_is_told_in_order_and_once(version: str, name: str) -> None:
    """A node starts once, before it ends; cached ones never start; the share that is done never falls."""
    lines = recording(version, name)
    for prompt_id, graph in _prompts(lines).items():
        told = _told(Tracker(prompt_id, graph), _messages(lines))
        if not told:
            continue  # it was deleted before it began, or nobody was told about it
        started = [each.node_id for each in told if isinstance(each, NodeStarted)]
        finished = [each.node_id for each in told if isinstance(each, NodeFinished)]
        cached = {node for each in told if isinstance(each, NodesCached) for node in each.nodes}

        assert [each for each in told if isinstance(each, Started)] == [Started()]
        assert isinstance(told[0], Started)
        assert len(started) == len(set(started))
        assert not set(started) & cached
        assert set(finished) <= set(started)
        assert all(told.index(NodeFinished(node)) > _index(told, node) for node in finished)


def _index(told: list[Progress], node: str) -> int:
    return next(number for number, each in enumerate(told) if isinstance(each, NodeStarted) and each.node_id == node)


@pytest.mark.parametrize(("version", "name"), _RUNS)
def test_outputs_are_those_of_the_history(version: str, name: str) -> None:
    """What was heard and what history says is the same, and every recorded prompt has an ending."""
    lines = recording(version, name)
    graphs = _prompts(lines)
    records = {
        prompt_id: HistoryRecord.read(prompt_id, value)
        for line in lines
        if line["kind"] == "http" and line["path"].startswith("/history/")
        for prompt_id, value in line["response"].items()
    }
    for prompt_id, record in records.items():
        told = _told(Tracker(prompt_id, graphs[prompt_id]), _messages(lines))
        heard = {each.output.node_id: each.output for each in told if isinstance(each, Produced)}
        outcome = outcome_of(record, graphs[prompt_id])

        if heard:
            assert heard == {output.node_id: output for output in outcome.outputs}
        assert (outcome.error is None) == (outcome.ending is Ending.SUCCEEDED)
        assert outcome.started_ms is not None
        assert outcome.ended_ms is not None
        assert outcome.ended_ms >= outcome.started_ms


@pytest.mark.parametrize("seed", range(20))
def test_frames_that_are_lost_or_doubled_do_no_harm(seed: int) -> None:
    """A connection that broke leaves gaps; nothing is told twice because of them."""
    chance = random.Random(seed)
    lines = recording("0.3.64", "run_ksampler_split_lora_upscale")
    prompt_id, graph = next(iter(_prompts(lines).items()))
    kept = [message for message in _messages(lines) for _ in range(chance.choice((0, 1, 1, 2)))]
    told = _told(Tracker(prompt_id, graph), kept)
    started = [each.node_id for each in told if isinstance(each, NodeStarted)]

    assert len(started) == len(set(started))
    assert len([each for each in told if isinstance(each, Started)]) <= 1


def test_steps_are_told_as_they_are() -> None:
    """One of each, though two kinds of frames carry them; the 0 of 1 with which nodes begin is none."""
    lines = recording("0.3.64", "run_slow_progress_preview_metadata_type4")
    prompt_id, graph = next(iter(_prompts(lines).items()))
    told = _told(Tracker(prompt_id, graph), _messages(lines))

    assert [each for each in told if isinstance(each, Step)] == [Step("1", value, 20) for value in range(1, 21)]


def test_messages_about_others_are_ignored() -> None:
    """A tracker of another prompt hears nothing in a whole recording, images without an owner apart."""
    tracker = Tracker("somebody-else")
    told = _told(tracker, _messages(recording("0.3.64", "run_image_chain")))

    assert told == []


def test_positions_are_told_until_it_runs() -> None:
    """Each place once; a place that is told late says nothing any more."""
    tracker = Tracker("p")

    assert tracker.queue_position(3) == [Queued(3)]
    assert tracker.queue_position(3) == []
    assert tracker.queue_position(1) == [Queued(1)]
    assert tracker.queue_position(0) == [Started()]
    assert tracker.queue_position(1) == []


def test_nodes_that_nodes_make_count_for_their_maker() -> None:
    """A node that expands into others is the one that a person knows."""
    graph = Graph.parse({"5": {"class_type": "Loop", "inputs": {}, "_meta": {"title": "My loop"}}})
    tracker = Tracker("p", graph)
    state = {"value": 1, "max": 4, "state": "running", "node_id": "5.0.1", "prompt_id": "p", "display_node_id": "5"}
    told = tracker.see(
        decode(json.dumps({"type": "progress_state", "data": {"prompt_id": "p", "nodes": {"5.0.1": state}}}))
    )
    told += tracker.see(decode('{"type":"progress","data":{"value":2,"max":4,"prompt_id":"p","node":"5.0.1"}}'))

    assert told == [Started(), NodeStarted("5", "Loop", "My loop"), Step("5", 2, 4)]
