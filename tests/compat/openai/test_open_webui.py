"""What Open WebUI 0.12.4 sends, as it was recorded, and what it makes of the answers."""

from __future__ import annotations

from tests.compat.house import House, bearer
from tests.compat.pictures import opened, png


def test_an_image_as_it_asks_for_one(house: House) -> None:
    """Its `IMAGES_OPENAI_PARAMS` come as fields; the identity that it forwards is read by nobody and does no harm."""
    headers = {"X-OpenWebUI-User-Jwt": "eyJhbGciOiJIUzI1NiJ9.e30.x", "User-Agent": "Python/3.11 aiohttp/3.14.5"}
    body = {
        "model": "hearth-default", "prompt": "a fox", "n": 2, "size": "512x512", "response_format": "b64_json", "seed": 5,
        "steps": 1,
    }  # fmt: skip
    with house.client() as client:
        answer = client.post("/v1/images/generations", json=body, headers=headers)

    assert answer.status_code == 200
    assert [opened(image["b64_json"]).size for image in answer.json()["data"]] == [(512, 512), (512, 512)]


def test_an_edit_as_it_asks_for_one(house: House) -> None:
    """One picture is called `image`, a list `image[]`."""
    form = {"model": "image-to-image", "prompt": "blue", "n": "1", "size": "512x512", "response_format": "b64_json"}
    with house.client() as client:
        for name in ("image", "image[]"):
            file = (f"{name}.png", png(), "image/png")
            answer = client.post("/v1/images/edits", data=form, files={name: file})
            assert answer.status_code == 200
            assert len(answer.json()["data"]) == 1


def test_it_says_json_where_there_is_no_body(house: House) -> None:
    """On GET, too."""
    with house.client() as client:
        answer = client.get("/v1/models", headers={"Content-Type": "application/json"})

    assert answer.status_code == 200
    assert answer.json()["object"] == "list"


def test_slashes_in_a_models_name(house: House) -> None:
    """A name that means nothing here is an error with words, not a page that does not exist."""
    with house.client() as client:
        answer = client.get("/v1/models/comfy/sdxl")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    assert answer.reason_phrase == "The model 'comfy/sdxl' does not exist here: models are workflows."


def test_a_session_and_a_key_in_its_header_work_too(house: House) -> None:
    """Every way in is one way in."""
    with house.client(house.token) as person:
        assert person.get("/v1/models").status_code == 200
    with house.client() as client:
        client.headers = {"X-API-Key": bearer(house.key)["Authorization"].removeprefix("Bearer ")}
        assert client.get("/v1/models").status_code == 200
