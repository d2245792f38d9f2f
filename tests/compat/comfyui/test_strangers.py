"""Two people at one ComfyUI do not exist for each other; who manages this Hearth sees both."""

from __future__ import annotations

import json
import urllib.parse

from tests.compat.comfyui.graphs import save, slow
from tests.compat.comfyui.speaker import Speaker
from tests.compat.house import House


def test_nobody_hears_of_others(ada: Speaker, bob: Speaker, house: House) -> None:
    """No message, no preview, no change of the queue: not even to a socket with the same client id."""
    for speaker in (ada, bob):
        speaker.say({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
        speaker.until("feature_flags")
    with Speaker(bob.base, bob.headers["Authorization"].removeprefix("Bearer "), ada.client_id) as spy:
        spy.until("status")
        ada.until_over(ada.queue_prompt(slow()))

        assert any(frame["type"] == "binary 4" for frame in ada.frames)
        assert spy.silence() == []
    assert bob.silence() == []


def test_a_prompt_without_client_id_is_told_to_its_owner_alone(ada: Speaker, bob: Speaker) -> None:
    """ComfyUI tells everybody how far it is."""
    ada.json("/prompt", {"prompt": slow(2)})
    bob.until("status")
    ada.until("progress")

    assert bob.silence(1.0) == []


def test_queue_history_and_files_are_ones_own(ada: Speaker, bob: Speaker, owner: Speaker, house: House) -> None:
    """Reading, deleting and interrupting reach no further than that, whatever ids one knows."""
    done = ada.queue_prompt(save(prefix="secret"))
    ada.until_over(done)
    house.comfyui.hold()
    running = ada.queue_prompt(slow(3, seconds=5))
    ada.until("execution_start")
    waiting = ada.queue_prompt(save(5))
    [image] = ada.json(f"/history/{done}")[done]["outputs"]["2"]["images"]
    address = "/view?" + urllib.parse.urlencode(image)

    assert bob.json("/queue") == {"queue_running": [], "queue_pending": []}
    assert bob.json("/prompt") == {"exec_info": {"queue_remaining": 0}}
    assert bob.json("/history") == {}
    assert bob.json(f"/history/{done}") == {}
    assert bob.ask(f"/api/jobs/{done}")[0] == 404
    assert bob.ask(address)[0] == 404
    # The name that the file has in ComfyUI's own folder leads nowhere either.
    plain = urllib.parse.urlencode({"filename": image["filename"], "subfolder": "", "type": "output"})
    assert bob.ask(f"/view?{plain}")[0] == 404
    assert bob.ask("/queue", {"delete": [waiting], "clear": True})[0] == 200
    assert bob.ask("/interrupt", {"prompt_id": running})[0] == 200
    assert bob.ask("/interrupt", {})[0] == 200
    assert json.loads(bob.ask(f"/api/jobs/{waiting}/cancel", {})[1]) == {"cancelled": False}
    assert owner.ask("/queue", {"clear": True})[0] == 200  # clears what is the owner's own

    assert [entry[1] for entry in ada.json("/queue")["queue_running"]] == [running]
    assert [entry[1] for entry in owner.json("/queue")["queue_pending"]] == [waiting]
    assert [*owner.json("/history")] == [done]
    assert owner.view(image) == ada.view(image)
    house.comfyui.release()
    ada.until_over(running)
    assert ada.json(f"/history/{running}")[running]["status"]["status_str"] == "success"


def test_a_job_leads_only_to_files_that_it_made(ada: Speaker, bob: Speaker) -> None:
    """The id of one's own job before the name of somebody else's file opens nothing."""
    hers = ada.queue_prompt(save(1, prefix="hers"))
    ada.until_over(hers)
    his = bob.queue_prompt(save(2, prefix="his"))
    bob.until_over(his)
    [image] = ada.json(f"/history/{hers}")[hers]["outputs"]["2"]["images"]

    for subfolder in (his, f"{his}/..", f"{his}/{hers}", hers):
        forged = urllib.parse.urlencode({**image, "subfolder": subfolder})
        assert bob.ask(f"/view?{forged}")[0] == 404


def test_previews_of_a_running_job_are_served_while_it_runs(ada: Speaker, bob: Speaker, house: House) -> None:
    """What a node showed can be fetched by its own user as soon as it was told."""
    graph = {**slow(4), "3": {"class_type": "TestBlockingSleep", "inputs": {"seconds": 1, "seed": 1}}}
    graph["4"] = {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}}
    prompt_id = ada.queue_prompt(graph)
    [file] = ada.until("executed")["data"]["output"]["images"]

    assert file["type"] == "temp"
    assert ada.view(file).startswith(b"\x89PNG")
    assert bob.ask("/view?" + urllib.parse.urlencode(file))[0] == 404
    ada.until_over(prompt_id)
    assert ada.view(file).startswith(b"\x89PNG")
