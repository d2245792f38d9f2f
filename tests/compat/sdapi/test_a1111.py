"""A1111's protocol as its clients speak it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from tests.compat.house import CHECKPOINT, OTHER_CHECKPOINT, House, bearer
from tests.compat.pictures import base64_of, opened, png
from tests.secret_watch import secret


@pytest.fixture
def a1111(house: House) -> Iterator[httpx2.Client]:
    """A client that signs in as A1111's clients do."""
    with httpx2.Client(base_url=f"{house.url}/sdapi/v1", auth=("anybody", house.key), timeout=60) as client:
        yield client


def graph_of(house: House) -> dict[str, Any]:
    return house.comfyui.prompts[-1]["prompt"]


def sampler_of(house: House) -> dict[str, Any]:
    return next(node["inputs"] for node in graph_of(house).values() if node["class_type"] == "KSampler")


def made(answer: httpx2.Response) -> tuple[list[str], dict[str, Any], dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return body["images"], body["parameters"], json.loads(body["info"])


def test_pictures_from_words(a1111: httpx2.Client, house: House) -> None:
    """Everything that the request says reaches ComfyUI, and comes back in the words of A1111."""
    wanted = {
        "prompt": "a red fox", "negative_prompt": "blurry", "steps": 3, "cfg_scale": 5.5, "width": 250, "height": 128,
        "seed": 9, "batch_size": 2, "sampler_name": "DPM++ 2M Karras", "enable_hr": False,
    }  # fmt: skip
    images, parameters, info = made(a1111.post("/txt2img", json=wanted))

    assert [opened(image).size for image in images] == [(248, 128), (248, 128)]
    assert images[0] != images[1]
    sampler = sampler_of(house)
    assert [sampler[name] for name in ("steps", "cfg", "sampler_name", "scheduler")] == [3, 5.5, "dpmpp_2m", "karras"]
    assert {node["inputs"]["text"] for node in graph_of(house).values() if "text" in node["inputs"]} == {
        "a red fox", "blurry",
    }  # fmt: skip
    assert parameters["enable_hr"] is False
    assert (info["seed"], info["all_seeds"]) == (9, [9, 10])
    assert info["sd_model_name"] == CHECKPOINT
    assert info["infotexts"][1].startswith("a red fox\nNegative prompt: blurry\nSteps: 3, Sampler: DPM++ 2M Karras")


def test_pictures_from_a_picture(a1111: httpx2.Client, house: House) -> None:
    """It is brought to the wanted size, and the mask's white becomes what ComfyUI paints anew."""
    wanted = {
        "init_images": ["data:image/png;base64," + base64_of(png(100, 50))],
        "width": 128,
        "height": 64,
        "steps": 1,
    }
    made(a1111.post("/img2img", json={**wanted, "denoising_strength": 0.4}))
    first = graph_of(house)
    sent = (house.comfyui.base / "input" / first["4"]["inputs"]["image"]).read_bytes()
    images, parameters, _ = made(a1111.post("/img2img", json={**wanted, "mask": base64_of(png(100, 50, "white"))}))
    mask = (house.comfyui.base / "input" / graph_of(house)["10"]["inputs"]["image"]).read_bytes()

    assert sampler_of(house)["denoise"] == 0.75
    assert first["7"]["inputs"]["denoise"] == 0.4
    assert opened(base64_of(sent)).size == (128, 64)
    assert opened(base64_of(mask)).getchannel("A").getextrema() == (0, 0)
    assert len(images) == 1
    assert (parameters["init_images"], parameters["mask"]) == (None, None)


def test_the_model_is_chosen_by_any_of_its_names(a1111: httpx2.Client, house: House) -> None:
    """For one request or for all that follow with the same key; nobody else's change."""
    titles = {model["title"] for model in a1111.get("/sd-models").json()}
    assert titles == {CHECKPOINT, OTHER_CHECKPOINT}
    assert a1111.get("/options").json()["sd_model_checkpoint"] == CHECKPOINT

    once = {"steps": 1, "width": 64, "height": 64, "override_settings": {"sd_model_checkpoint": "dreamshaper_8"}}
    *_, info = made(a1111.post("/txt2img", json=once))
    assert info["sd_model_name"] == OTHER_CHECKPOINT
    assert a1111.post("/options", json={"sd_model_checkpoint": "dreamshaper_8.safetensors [abc]"}).json() is None
    assert a1111.get("/options").json()["sd_model_checkpoint"] == OTHER_CHECKPOINT
    *_, info = made(a1111.post("/txt2img", json={"steps": 1, "width": 64, "height": 64}))
    assert info["sd_model_name"] == OTHER_CHECKPOINT
    with house.client() as other, house.client(house.new_key("generate")) as stranger:
        assert other.get("/sdapi/v1/options").json()["sd_model_checkpoint"] == OTHER_CHECKPOINT
        assert stranger.get("/sdapi/v1/options").json()["sd_model_checkpoint"] == CHECKPOINT
    assert a1111.post("/options", json={"sd_model_checkpoint": "none"}).status_code == 404


def test_samplers_and_schedulers_have_the_names_of_a1111(a1111: httpx2.Client) -> None:
    """Those of ComfyUI that A1111 has no name for keep their own."""
    samplers = {each["name"]: each for each in a1111.get("/samplers").json()}
    schedulers = {each["label"]: each["name"] for each in a1111.get("/schedulers").json()}

    assert samplers["Euler a"]["aliases"] == ["euler_ancestral"]
    assert {"DPM++ 2M", "UniPC", "heunpp2"} <= samplers.keys()
    assert schedulers["Karras"] == "karras"
    assert schedulers["SGM Uniform"] == "sgm_uniform"


def test_progress_and_interrupt(a1111: httpx2.Client, house: House) -> None:
    """Seen with a preview while it runs, by nobody else; stopped, the request answers with what there is."""
    idle = a1111.get("/progress").json()
    assert (idle["progress"], idle["state"]["job_count"], idle["current_image"]) == (0, 0, None)
    house.comfyui.traps.step_s = 0.1
    wanted = {"prompt": "a fox", "steps": 500, "width": 64, "height": 64}
    with ThreadPoolExecutor(1) as pool, house.client(house.new_key("generate")) as stranger:
        waiting = pool.submit(a1111.post, "/txt2img", json=wanted)
        house.wait_for(lambda: _progress(house)["current_image"] is not None)
        seen = _progress(house)
        assert stranger.get("/sdapi/v1/progress").json()["state"]["job_count"] == 0
        assert stranger.post("/sdapi/v1/interrupt").json() == {}
        assert not waiting.done()
        with house.client() as same:
            assert same.post("/sdapi/v1/interrupt").json() == {}
        images, _, info = made(waiting.result(timeout=30))

    assert 0 < seen["progress"] < 1
    assert seen["state"]["sampling_steps"] == 500
    assert base64.b64decode(seen["current_image"]).startswith(b"\xff\xd8\xff")
    assert info["interrupted"] is True
    assert len(images) == 1


def _progress(house: House) -> dict[str, Any]:
    return httpx2.get(f"{house.url}/sdapi/v1/progress", headers=bearer(house.key)).json()


def test_a_wrong_key_and_wrong_fields(a1111: httpx2.Client, house: House) -> None:
    """The reason stands where A1111's clients look, and where all others of Hearth do."""
    forged = httpx2.get(f"{house.url}/sdapi/v1/sd-models", auth=("x", secret("forged key")))
    refused = a1111.post("/txt2img", json={"steps": 0})
    no_picture = a1111.post("/img2img", json={"init_images": ["????"]})

    assert (forged.status_code, forged.json()["error"]["code"]) == (401, "not_signed_in")
    assert refused.status_code == 400
    assert refused.json()["detail"].startswith("steps: ")
    assert refused.json()["error"]["code"] == "unusable_request"
    assert no_picture.json()["error"]["details"] == {"field": "init_images"}
    assert refused.reason_phrase.startswith("steps: ")


def test_basic_from_another_site_is_refused(a1111: httpx2.Client) -> None:
    """A browser that knows the password would send it by itself."""
    answer = a1111.post("/interrupt", headers={"Sec-Fetch-Site": "cross-site"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "cross_site_request")
