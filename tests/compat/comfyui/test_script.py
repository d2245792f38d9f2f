"""A program written for ComfyUI runs unchanged: post, listen, read history, fetch images."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.compat.comfyui.graphs import save, slow
from tests.compat.comfyui.speaker import Speaker
from tests.compat.house import House
from tests.contracts.comfyui_replay import recorded_frames, recording, salted, shape


def test_the_script_of_the_examples_gets_its_image(ada: Speaker, house: House) -> None:
    """The last message means that history and image are there, under the name that ComfyUI gave."""
    prompt_id = ada.queue_prompt(save(prefix="fox"))
    ada.until_over(prompt_id)

    record = ada.json(f"/history/{prompt_id}")[prompt_id]
    assert record["status"]["status_str"] == "success"
    assert record["prompt"][1] == prompt_id
    assert record["outputs"]["2"]["images"][0]["filename"].startswith("fox_")
    assert ada.images(prompt_id)["2"][0].startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "name",
    [
        "run_empty_save",
        "run_slow_progress_preview_metadata_type4",
        "run_slow_progress_legacy_preview_type1",
        "run_error_exception_in_node",
        "run_text_type3",
        "run_ws_image_output",
    ],
)
def test_messages_come_in_the_order_of_the_recording(house: House, base: str, name: str) -> None:
    """Types, keys and order are those that a real ComfyUI sent; so are the changes of the queue."""
    lines = recording("0.3.64", name)
    recorded = recorded_frames(lines)
    with Speaker(base, house.key) as speaker:
        for line in lines:
            if line["kind"] == "ws_send" and isinstance(line["data"], dict):
                speaker.say(line["data"])
                speaker.until("feature_flags")
            elif line["kind"] == "http" and line["path"] == "/prompt" and line["method"] == "POST":
                speaker.until_over(speaker.queue_prompt(salted(line["request"], 7)["prompt"]))

        assert _told(speaker.frames) == _told(recorded)
        assert _statuses(speaker.frames) == _statuses(recorded)


def _told(frames: list[dict[str, Any]]) -> list[Any]:
    return [shape(frame) for frame in frames if frame["type"] not in ("status", "feature_flags")]


def _statuses(frames: list[dict[str, Any]]) -> list[int]:
    return [frame["data"]["status"]["exec_info"]["queue_remaining"] for frame in frames if frame["type"] == "status"]


def test_history_is_there_when_the_last_message_is(ada: Speaker, house: House) -> None:
    """Though ComfyUI itself writes it later than it says that it is over."""
    house.comfyui.traps.history_lag_s = 0.3
    for colour in range(3):
        prompt_id = ada.queue_prompt(save(colour))
        ada.until_over(prompt_id)
        assert ada.images(prompt_id)["2"]


def test_the_id_that_a_client_chose_is_the_jobs(ada: Speaker, bob: Speaker, house: House) -> None:
    """Sent again it is the same job; for another graph or somebody else it is taken; one that is no canonical UUID is replaced."""
    chosen = str(uuid.uuid4())

    assert ada.queue_prompt(save(), prompt_id=chosen) == chosen
    assert ada.queue_prompt(save(), prompt_id=chosen) == chosen
    assert bob.ask("/prompt", {"prompt": save(), "prompt_id": chosen})[0] == 409
    assert ada.ask("/prompt", {"prompt": save(3), "prompt_id": chosen})[0] == 409
    assert ada.queue_prompt(save(2), prompt_id="mine") != "mine"
    with house.client() as client:
        assert client.get(f"/api/generations/{chosen}").json()["source"] == "comfyui"


def test_queue_and_interrupt(ada: Speaker, house: House) -> None:
    """What waits can be deleted, what runs can be interrupted, and both are told as ComfyUI tells them."""
    house.comfyui.hold()
    running = ada.queue_prompt(slow(seconds=5))
    ada.until("execution_start")
    waiting = [ada.queue_prompt(save(colour)) for colour in (1, 2)]
    queue = ada.json("/queue")
    assert [entry[1] for entry in queue["queue_running"]] == [running]
    assert [entry[1] for entry in queue["queue_pending"]] == waiting
    assert queue["queue_pending"][0][2] == save(1)
    assert queue["queue_pending"][0][4] == ["2"]
    assert ada.json("/prompt") == {"exec_info": {"queue_remaining": 3}}

    assert ada.ask("/queue", {"delete": [waiting[0]]})[0] == 200
    assert [entry[1] for entry in ada.json("/api/queue")["queue_pending"]] == [waiting[1]]
    assert ada.ask("/queue", {"clear": True})[0] == 200
    assert ada.ask("/interrupt", {})[0] == 200
    house.comfyui.release()
    ada.until_over(running)

    assert [frame["type"] for frame in ada.frames[-3:]] == ["execution_interrupted", "status", "executing"]
    assert ada.json(f"/history/{running}")[running]["status"]["status_str"] == "error"
    assert ada.json(f"/history/{waiting[0]}") == {}
    assert ada.json("/queue") == {"queue_running": [], "queue_pending": []}


def test_history_in_pages_and_without_what_was_deleted(ada: Speaker) -> None:
    """The last ones by max_items, the oldest first; deleting leaves the results where they are."""
    ids = [ada.queue_prompt(save(colour)) for colour in range(3)]
    for prompt_id in ids:
        ada.until_over(prompt_id)

    assert [*ada.json("/history")] == ids
    assert [*ada.json("/history?max_items=2")] == ids[1:]
    assert [*ada.json("/history?max_items=2&offset=0")] == ids[:2]
    assert ada.ask("/history", {"delete": [ids[0]]})[0] == 200
    assert [*ada.json("/history")] == ids[1:]
    assert [*ada.json("/history?max_items=1&offset=0")] == ids[1:2]
    assert ada.json(f"/history/{ids[0]}") == {}
    jobs = ada.json("/api/jobs?status=completed&limit=1")
    assert [job["id"] for job in jobs["jobs"]] == ids[2:]
    assert jobs["pagination"] == {"offset": 0, "limit": 1, "total": 2, "has_more": True}
    assert ada.json(f"/api/jobs/{ids[2]}")["preview_output"]["nodeId"] == "2"


def test_results_outlive_what_comfyui_remembers(ada: Speaker, house: House) -> None:
    """After ComfyUI was started anew, history and images come from Hearth, under the same names."""
    prompt_id = ada.queue_prompt(save(prefix="keeps"))
    ada.until_over(prompt_id)
    before = ada.json(f"/history/{prompt_id}")[prompt_id]["outputs"]
    house.comfyui.restart()

    with Speaker(ada.base, house.key) as later:
        assert later.json(f"/history/{prompt_id}")[prompt_id]["outputs"] == before
        assert later.images(prompt_id)["2"][0].startswith(b"\x89PNG")


def test_a_comfyui_that_restarts_in_the_middle(ada: Speaker, house: House) -> None:
    """The job is run again; the client hears it begin anew, and its one ending."""
    house.comfyui.hold()
    prompt_id = ada.queue_prompt(slow(9))
    ada.until("execution_start")
    house.comfyui.restart()
    ada.until_over(prompt_id)

    endings = [frame for frame in ada.frames if frame["type"].startswith("execution_") and "prompt_id" in frame["data"]]
    assert [frame["data"]["prompt_id"] for frame in endings] == [prompt_id] * len(endings)
    assert [frame["type"] for frame in endings].count("execution_success") == 1
    assert [*ada.images(prompt_id)] == ["2"]


def test_a_prompt_while_no_comfyui_answers(ada: Speaker, house: House) -> None:
    """It waits, and runs when there is one again; what only ComfyUI knows is 503 meanwhile."""
    house.comfyui.stop()
    prompt_id = ada.queue_prompt(save(7))
    house.wait_for(lambda: ada.ask("/object_info")[0] == 503)
    assert [entry[1] for entry in ada.json("/queue")["queue_pending"]] == [prompt_id]
    house.comfyui.start()
    ada.until_over(prompt_id)

    assert ada.images(prompt_id)["2"]
