"""Several ComfyUIs behind one door look like one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from tests.compat.comfyui.graphs import save
from tests.compat.comfyui.speaker import Speaker
from tests.compat.house import House
from tests.fakes.comfyui import SimulatedComfyUI


@pytest.fixture
def second(tmp_path: Path) -> Iterator[SimulatedComfyUI]:
    """The other ComfyUI."""
    with SimulatedComfyUI(tmp_path / "second") as simulated:
        yield simulated


@pytest.fixture
def house(
    make_app: Callable[..., FastAPI], workspace: Path, tmp_path: Path, password: str, second: SimulatedComfyUI
) -> Iterator[House]:
    """A Hearth with two ComfyUIs behind it."""
    with SimulatedComfyUI(tmp_path / "first") as first:
        house = House(make_app(comfyui_url=(first.url, second.url)), workspace, first, password)
        house.start()
        try:
            yield house
        finally:
            house.stop()


def test_equal_names_of_two_backends_are_two_files(ada: Speaker, house: House, second: SimulatedComfyUI) -> None:
    """Both run at once, both are told, and each image comes from the ComfyUI that made it."""
    for comfyui in (house.comfyui, second):
        comfyui.hold()
    ids = [ada.queue_prompt(save(colour)) for colour in (0x112233, 0x445566)]
    house.wait_for(lambda: len(ada.json("/queue")["queue_running"]) == 2)
    for comfyui in (house.comfyui, second):
        comfyui.release()
    open_ids = set(ids)
    while open_ids:
        frame = ada.next()
        if frame["type"] == "executing" and frame["data"]["node"] is None:
            open_ids.discard(frame["data"]["prompt_id"])

    outputs = [ada.json(f"/history/{prompt_id}")[prompt_id]["outputs"]["2"]["images"][0] for prompt_id in ids]
    assert outputs[0]["filename"] == outputs[1]["filename"]
    assert ada.view(outputs[0]) != ada.view(outputs[1])


def test_the_next_one_answers_when_the_first_is_gone(ada: Speaker, house: House, second: SimulatedComfyUI) -> None:
    """For what Hearth itself does not know."""
    assert ada.ask("/object_info/SaveImage")[0] == 200
    assert not any(seen.path == "/object_info/SaveImage" for seen in second.requests)
    house.comfyui.stop()

    house.wait_for(lambda: ada.ask("/object_info/SaveImage")[0] == 200)
    assert any(seen.path == "/object_info/SaveImage" for seen in second.requests)
    prompt_id = ada.queue_prompt(save())
    ada.until_over(prompt_id)
    assert ada.images(prompt_id)["2"]
