"""What is wrong arrives as the error that OpenAI's client has for it, with a sentence that helps."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import httpx2
import openai as sdk
import pytest
from openai import OpenAI

from tests.compat.house import House, bearer
from tests.compat.pictures import png
from tests.secret_watch import secret


@pytest.fixture
def openai(house: House) -> Iterator[OpenAI]:
    """The official client, with the retries that it has by itself."""
    with OpenAI(base_url=f"{house.url}/v1", api_key=house.key, timeout=60) as client:
        yield client


def test_a_model_that_does_not_exist(openai: OpenAI) -> None:
    """404 model_not_found, and where to look."""
    with pytest.raises(sdk.NotFoundError) as refused:
        openai.images.generate(model="dall-e-3", prompt="a fox")

    assert (refused.value.code, refused.value.param, refused.value.type) == (
        "model_not_found", "model", "invalid_request_error",
    )  # fmt: skip
    assert "GET /v1/models" in refused.value.message
    with pytest.raises(sdk.NotFoundError):
        openai.models.retrieve("folder/none")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"size": "large"}, "size"),
        ({"n": 11}, "n"),
        ({"output_format": "svg"}, "output_format"),
        ({"background": "transparent", "output_format": "jpeg"}, None),
        ({"extra_body": {"colour": "red"}}, "colour"),
        ({"extra_body": {"steps": 0}}, "steps"),
        ({"extra_body": {"sampler": "none such"}}, "sampler"),
    ],
)
def test_a_field_that_cannot_be_meant(openai: OpenAI, house: House, fields: Any, param: str | None) -> None:
    """400 with the field's name, before anything is queued."""
    with pytest.raises(sdk.BadRequestError) as refused:
        openai.images.generate(**{"prompt": "a fox", **fields})

    assert refused.value.type == "invalid_request_error"
    assert refused.value.param == param
    assert house.comfyui.prompts == []


def test_an_edit_without_a_picture_or_with_too_many(openai: OpenAI, house: House) -> None:
    """The workflow's own number counts; what is no picture is found out."""
    for images in ([png(), png(colour="red")], [b"<html>"]):
        with pytest.raises(sdk.BadRequestError) as refused:
            openai.images.edit(model="image-to-image", image=list(images), prompt="a fox")
        assert refused.value.param == "image"
    with house.client() as client:
        answer = client.post("/v1/images/edits", data={"prompt": "a fox"})

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "image")
    assert house.comfyui.prompts == []


def test_who_asks_is_known_before_the_body_is_read(house: House) -> None:
    """401 and 403 in OpenAI's shape; a body that nobody would read does not matter."""
    for key, kind, code in (
        (secret("forged key", "hearth_"), sdk.AuthenticationError, "invalid_api_key"),
        (house.new_key("read"), sdk.PermissionDeniedError, "scope_missing"),
    ):
        with OpenAI(base_url=f"{house.url}/v1", api_key=key, max_retries=0) as client, pytest.raises(kind) as refused:
            client.images.generate(prompt="a fox")
        assert refused.value.code == code
    answer = httpx2.post(f"{house.url}/v1/images/edits", content=b"no form", headers=bearer("none"))
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="Hearth"')


def test_a_job_that_fails_is_not_run_again_by_the_client(openai: OpenAI, house: House) -> None:
    """It says what failed, and that the same would fail again: the client would repeat everything above 499."""
    with pytest.raises(sdk.InternalServerError) as failed:
        openai.images.generate(model="hungry", prompt="")

    assert (failed.value.status_code, failed.value.code) == (507, "out_of_memory")
    assert failed.value.response.headers["x-should-retry"] == "false"
    assert len(house.comfyui.prompts) == 2  # the gateway's own second try, after it had ComfyUI free its memory


def test_a_stream_that_fails_says_so_in_an_event(openai: OpenAI) -> None:
    """The status is out by then."""
    with pytest.raises(sdk.APIError) as failed:
        list(openai.images.generate(model="hungry", prompt="", stream=True))

    assert failed.value.code == "out_of_memory"


def test_a_workflow_that_makes_no_picture(openai: OpenAI) -> None:
    """The words are in the gallery, and this protocol has no place for them."""
    with pytest.raises(sdk.InternalServerError) as failed:
        openai.images.generate(model="words", prompt="", extra_body={"text": "hello"})

    assert failed.value.code == "no_picture"


def test_too_many_at_once(house: House) -> None:
    """429 with Retry-After, which the client obeys."""
    house.comfyui.hold()
    with house.client() as client:
        fields = {"prompt": "a fox", "stream": True, "size": "64x64"}
        open_streams = [client.stream("POST", "/v1/images/generations", json=fields) for _ in range(4)]
        for each in open_streams:  # one runs, as many wait as one person may have waiting
            assert each.__enter__().status_code == 200
            house.wait_for(lambda: house.comfyui.prompts)
        with (
            OpenAI(base_url=f"{house.url}/v1", api_key=house.key, max_retries=0) as impatient,
            pytest.raises(sdk.RateLimitError) as refused,
        ):
            impatient.images.generate(prompt="a fox")
        house.comfyui.release()
        for each in open_streams:
            each.__exit__(None, None, None)

    assert refused.value.code == "rate_limit_exceeded"
    assert int(refused.value.response.headers["retry-after"]) >= 1


def test_the_reason_phrase_speaks(house: House) -> None:
    """Open WebUI shows its users nothing but the words of the status line."""
    answers = {}
    for name, fields in (("unknown", {"model": "none"}), ("hungry", {"model": "hungry"}), ("well", {"steps": 1})):
        with house.client() as client:
            answers[name] = client.post("/v1/images/generations", json={"prompt": "", "size": "64x64", **fields})

    assert answers["unknown"].reason_phrase == "The model 'none' does not exist here: models are workflows."
    assert "memory" in answers["hungry"].reason_phrase
    assert answers["well"].reason_phrase == "OK"


def test_who_leaves_stops_the_job(house: House) -> None:
    """Waiting in the queue or running, with a stream or without: ComfyUI is free for others."""
    house.comfyui.traps.step_s = 0.2
    with house.client() as client:
        for stream in (False, True):
            begun = len(house.comfyui.prompts)
            body = {"prompt": "a fox", "size": "64x64", "stream": stream, "steps": 200}
            with pytest.raises(httpx2.TimeoutException):
                _ask_and_leave(client, body)
            house.wait_for(lambda begun=begun: len(house.comfyui.prompts) > begun)
            house.wait_for(lambda: not client_queue(house))


def _ask_and_leave(client: httpx2.Client, body: dict[str, Any]) -> None:
    with client.stream("POST", "/v1/images/generations", json=body, timeout=1.0) as answer:
        for _ in answer.iter_bytes():
            pass


def client_queue(house: House) -> list[Any]:
    """Return what ComfyUI runs and has waiting."""
    queue = httpx2.get(f"{house.comfyui.url}/queue").json()
    return [*queue["queue_running"], *queue["queue_pending"]]


def test_pictures_may_be_large_and_other_bodies_not(house: House) -> None:
    """A few megabytes pass; what no picture could be is refused before it is read."""
    noise = png(1500, 1500) + b"\0" * 3_000_000
    with house.client() as client:
        large = client.post("/v1/images/edits", data={"prompt": "x", "steps": "1"}, files={"image": ("a.png", noise)})
    with socket.create_connection(("127.0.0.1", house.port)) as connection:
        head = f"POST /v1/images/edits HTTP/1.1\r\nHost: h\r\nContent-Length: {1 << 40}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        refused = connection.recv(4096)

    assert large.status_code == 200
    assert refused.startswith(b"HTTP/1.1 413 ")
