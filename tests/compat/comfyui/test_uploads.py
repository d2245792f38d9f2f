"""What clients send is kept under a name that only they know, and is there where the job runs."""

from __future__ import annotations

import io
import urllib.parse
import uuid
from typing import Any

import httpx2
from PIL import Image

from tests.compat.comfyui.graphs import save
from tests.compat.comfyui.speaker import Speaker
from tests.compat.house import House, bearer
from tests.compat.pictures import mask_png, png


def _sent(house: House, path: str, content: bytes, name: str = "cat.png", **fields: str) -> Any:
    files = {"image": (name, content, "image/png")}
    answer = httpx2.post(f"{house.url}/comfyui{path}", files=files, data=fields, headers=bearer(house.key), timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_upload_is_an_input_of_the_next_prompt(ada: Speaker, house: House) -> None:
    """By the name in the answer alone, as Open WebUI reads it; and it can be looked at again."""
    kept = _sent(house, "/api/upload/image", png(), type="input", subfolder="", overwrite="true")
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": kept["name"]}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "copy"}},
    }
    prompt_id = ada.queue_prompt(graph)
    ada.until_over(prompt_id)

    assert ada.images(prompt_id)["2"]
    subfolder, _, filename = kept["name"].rpartition("/")
    for file in ({"filename": kept["name"], "subfolder": ""}, {"filename": filename, "subfolder": subfolder}):
        assert ada.view({**file, "type": "input"}) == png()
    assert len(house.comfyui.prompts) == 1  # nothing was tried beforehand: the file is known to come


def test_a_mask_is_laid_over_a_picture(ada: Speaker, house: House) -> None:
    """As ComfyUI's mask editor sends it: the picture by reference, the mask as a file."""
    import json

    kept = _sent(house, "/upload/image", png())
    reference = json.dumps({"filename": kept["name"], "subfolder": "", "type": "input"})
    masked = _sent(house, "/upload/mask", mask_png(), "clipspace-mask-1.png", original_ref=reference, type="input")

    picture = Image.open(io.BytesIO(ada.view({"filename": masked["name"], "type": "input"})))
    assert picture.mode == "RGBA"
    assert (picture.getpixel((0, 0))[3], picture.getpixel((63, 0))[3]) == (0, 255)


def test_what_cannot_be_an_upload(house: House) -> None:
    """400 with a reason."""
    headers = bearer(house.key)
    for path in ("/upload/image", "/upload/mask"):
        answer = httpx2.post(f"{house.url}/comfyui{path}", data={"type": "input"}, headers=headers, timeout=30)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unreadable_body")
    files = {"image": ("a.png", b"no picture", "image/png")}
    reference = {"original_ref": '{"filename": "../../x.png", "type": "input"}'}
    answer = httpx2.post(f"{house.url}/comfyui/upload/mask", data=reference, files=files, headers=headers, timeout=30)
    assert answer.status_code == 404


def test_a_name_leads_nowhere_else(ada: Speaker) -> None:
    """Neither up nor to a file that was never sent."""
    for filename in ("../secret.png", "hearth/../x.png", f"hearth/{uuid.uuid4().hex}.png", "a\\..\\b.png"):
        query = urllib.parse.urlencode({"filename": filename, "type": "input"})
        assert ada.ask(f"/view?{query}")[0] == 404


def test_a_result_is_an_input_of_the_next_prompt(ada: Speaker, bob: Speaker) -> None:
    """As the page pastes it, by the name under which it was shown; nobody else can use that name."""
    first = ada.queue_prompt(save())
    ada.until_over(first)
    [file] = ada.json(f"/history/{first}")[first]["outputs"]["2"]["images"]
    name = f"{file['subfolder']}/{file['filename']} [output]"
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "again"}},
    }

    second = ada.queue_prompt(graph)
    ada.until_over(second)
    assert ada.images(second)["2"]
    assert bob.ask("/prompt", {"prompt": graph})[0] == 404
