"""What is wrong with a prompt is said as ComfyUI says it, and nothing of it is queued."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.compat.comfyui.graphs import save
from tests.compat.comfyui.speaker import Speaker
from tests.compat.house import House
from tests.contracts.comfyui_replay import recording

_LINES = [
    line
    for line in recording("0.3.64", "errors_validation")
    if line["kind"] == "http"
    and line["method"] == "POST"
    and line["status"] in (400, 500)
    and "request" in line
    and "number" not in line["request"]  # which Hearth does not read
]


@pytest.mark.parametrize("line", _LINES, ids=lambda line: line["note"][:30])
def test_a_prompt_that_comfyui_refuses(ada: Speaker, house: House, line: dict[str, Any]) -> None:
    """The same type and the same errors of the same nodes; where ComfyUI itself fails, a sentence that helps."""
    status, body = ada.ask("/prompt", line["request"])
    answer = json.loads(body)

    assert status == 400
    if line["status"] == 400:
        assert answer["error"]["type"] == line["response"]["error"]["type"]
        assert _errors(answer) == _errors(line["response"])
    else:
        assert answer["error"]["message"]
        assert answer["error"]["hint"]
    assert ada.json("/queue") == {"queue_running": [], "queue_pending": []}
    assert house.comfyui.site.queue.remaining == 0


def _errors(answer: dict[str, Any]) -> dict[str, Any]:
    return {
        node: (report["class_type"], sorted((each["type"], each["message"]) for each in report["errors"]))
        for node, report in answer["node_errors"].items()
    }


def test_one_of_two_outputs_is_wrong(ada: Speaker, house: House) -> None:
    """The other one is made, and the answer says what is not."""
    graph = {**save(), "3": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}}}
    answer = ada.json("/prompt", {"prompt": graph, "client_id": ada.client_id})

    assert [*answer["node_errors"]] == ["3"]
    ada.until_over(answer["prompt_id"])
    assert [*ada.json(f"/history/{answer['prompt_id']}")[answer["prompt_id"]]["outputs"]] == ["2"]


def test_only_what_is_asked_for_runs(ada: Speaker) -> None:
    """A partial execution makes the outputs that are named."""
    graph = {**save(), "3": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}}
    answer = ada.json("/prompt", {"prompt": graph, "client_id": ada.client_id, "partial_execution_targets": ["3"]})
    ada.until_over(answer["prompt_id"])

    assert [*ada.json(f"/history/{answer['prompt_id']}")[answer["prompt_id"]]["outputs"]] == ["3"]


def test_a_full_queue(ada: Speaker, house: House) -> None:
    """429 with the time after which trying again makes sense."""
    house.comfyui.hold()
    first = ada.queue_prompt(save(0))
    ada.until("execution_start")
    for colour in range(1, 4):
        ada.queue_prompt(save(colour))
    status, body = ada.ask("/prompt", {"prompt": save(9)})

    assert status == 429
    assert b"queue_full" in body
    house.comfyui.release()
    ada.until_over(first)
