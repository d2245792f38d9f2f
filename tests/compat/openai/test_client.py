"""OpenAI's own client, unchanged, against a Hearth that listens: what it asks for is what it gets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from openai import OpenAI

from tests.compat.house import House
from tests.compat.pictures import mask_png, opened, png

SHIPPED = Path(__file__).parents[3] / "config" / "workflows"


@pytest.fixture
def openai(house: House) -> Iterator[OpenAI]:
    """The official client, pointed at Hearth."""
    with OpenAI(base_url=f"{house.url}/v1", api_key=house.key, max_retries=0, timeout=60) as client:
        yield client


def last_graph(house: House) -> dict[str, Any]:
    return house.comfyui.prompts[-1]["prompt"]


def test_an_image_from_a_prompt(openai: OpenAI, house: House) -> None:
    """The prompt, the size, the seed and the workflow's own inputs reach ComfyUI, and the picture comes back as base64."""
    answer = openai.images.generate(
        model="text-to-image", prompt="a red fox", size="512x256",
        extra_body={"seed": 7, "steps": 4, "cfg": 3.5, "negative_prompt": "blurry", "sampler": "dpmpp_2m"},
    )  # fmt: skip

    assert answer.data is not None
    assert opened(answer.data[0].b64_json).size == (512, 256)
    assert (answer.size, answer.output_format, answer.model_extra) == ("512x256", "png", {"seed": 7})
    graph = last_graph(house)
    assert (graph["2"]["inputs"]["text"], graph["3"]["inputs"]["text"]) == ("a red fox", "blurry")
    sampler = graph["5"]["inputs"]
    assert [sampler[name] for name in ("seed", "steps", "cfg", "sampler_name")] == [7, 4, 3.5, "dpmpp_2m"]


def test_several_images_have_seeds_in_a_row(openai: OpenAI, house: House) -> None:
    """`n` is one job with as many takes; no two are the same."""
    answer = openai.images.generate(prompt="a fox", n=3, size="64x64", extra_body={"seed": 40, "steps": 1})

    assert answer.data is not None
    assert len({image.b64_json for image in answer.data}) == 3
    assert [each["prompt"]["5"]["inputs"]["seed"] for each in house.comfyui.prompts] == [40, 41, 42]


@pytest.mark.parametrize(("quality", "steps"), [("low", 10), ("medium", 20), ("auto", 20), ("high", 30), ("max", 60)])
def test_quality_scales_the_steps(openai: OpenAI, house: House, quality: Any, steps: int) -> None:
    """Around those that the author of the workflow chose."""
    openai.images.generate(prompt="a fox", quality=quality, size="64x64")

    assert last_graph(house)["5"]["inputs"]["steps"] == steps


@pytest.mark.parametrize(("wanted", "found"), [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")])
def test_the_format_is_the_one_that_was_asked_for(openai: OpenAI, wanted: Any, found: str) -> None:
    """With the quality that compression leaves."""
    answer = openai.images.generate(
        prompt="a fox", output_format=wanted, output_compression=80, background="opaque", size="64x64",
        extra_body={"steps": 1},
    )  # fmt: skip

    assert answer.data is not None
    assert opened(answer.data[0].b64_json).format == found
    assert (answer.output_format, answer.background) == (wanted, "opaque")


def test_an_address_instead_of_the_bytes(openai: OpenAI, house: House) -> None:
    """It lies on this host, and opens with the same key alone."""
    answer = openai.images.generate(
        prompt="a fox", response_format="url", size="64x64", output_format="webp", extra_body={"steps": 1}
    )

    assert answer.data is not None
    url = answer.data[0].url
    assert url is not None
    assert url.startswith(f"{house.url}/api/gallery/")
    assert url.endswith("?format=webp&quality=100")
    assert httpx2.get(url).status_code == 401


def test_without_a_model_the_default_answers(openai: OpenAI, house: House) -> None:
    """Which one it is depends on what the request brings."""
    openai.images.generate(prompt="a fox", model="hearth-default", size="64x64", extra_body={"steps": 1})
    classes = [{node["class_type"] for node in last_graph(house).values()}]
    openai.images.edit(image=png(), prompt="a fox", extra_body={"steps": 1})
    classes.append({node["class_type"] for node in last_graph(house).values()})
    openai.images.edit(image=png(), mask=mask_png(), prompt="a fox", extra_body={"steps": 1})
    classes.append({node["class_type"] for node in last_graph(house).values()})

    assert "LoadImage" not in classes[0]
    assert "LoadImage" in classes[1]
    assert "LoadImageMask" not in classes[1]
    assert {"LoadImage", "LoadImageMask", "SetLatentNoiseMask"} <= classes[2]


def test_an_edit_brings_its_picture_to_comfyui(openai: OpenAI, house: House) -> None:
    """Byte for byte, under a name made of its content; forms carry numbers as text."""
    sent = png(colour="purple")
    answer = openai.images.edit(
        model="image-to-image", image=[("fox.png", sent)], prompt="bluer", extra_body={"denoise": 0.5, "steps": 2}
    )

    assert answer.data is not None
    assert opened(answer.data[0].b64_json).format == "PNG"
    graph = last_graph(house)
    assert (house.comfyui.base / "input" / graph["4"]["inputs"]["image"]).read_bytes() == sent
    assert (graph["7"]["inputs"]["denoise"], graph["7"]["inputs"]["steps"]) == (0.5, 2)


def test_a_variation_needs_no_prompt(openai: OpenAI) -> None:
    """Only the picture."""
    with pytest.warns(
        DeprecationWarning, match="deprecated"
    ):  # OpenAI itself has closed this door; programs still knock
        answer = openai.images.create_variation(image=png(), n=2)

    assert answer.data is not None
    assert len(answer.data) == 2


def test_a_stream_shows_the_picture_as_it_comes_about(openai: OpenAI) -> None:
    """As many previews as were asked for, numbered, then the picture with all that the client's types demand."""
    events = list(
        openai.images.generate(
            prompt="a fox", stream=True, partial_images=2, size="128x64", extra_body={"steps": 20, "seed": 1}
        )
    )

    assert [event.type for event in events] == [
        "image_generation.partial_image", "image_generation.partial_image", "image_generation.completed",
    ]  # fmt: skip
    for index, event in enumerate(events[:2]):
        assert event.type == "image_generation.partial_image"
        assert event.partial_image_index == index
        assert opened(event.b64_json).format == "JPEG"
    last = events[-1]
    assert last.type == "image_generation.completed"
    assert opened(last.b64_json).size == (128, 64)
    assert (last.size, last.quality, last.background, last.usage.total_tokens) == ("128x64", "auto", "auto", 0)


def test_an_edit_streams_too(openai: OpenAI) -> None:
    """Under its own names of events."""
    events = list(openai.images.edit(image=png(), prompt="a fox", stream=True, n=2, extra_body={"steps": 1}))

    assert [event.type for event in events] == ["image_edit.completed", "image_edit.completed"]


def test_models_are_workflows(openai: OpenAI) -> None:
    """Those that make pictures are listed, with what they take; one that does not is found by its id."""
    models = {model.id: model for model in openai.models.list()}

    assert {"hearth-default", "text-to-image", "image-to-image", "inpaint", "hungry"} <= models.keys()
    assert "words" not in models
    inputs = (models["text-to-image"].model_extra or {})["inputs"]
    assert {"prompt", "negative_prompt", "seed", "width", "height", "steps"} <= set(inputs)
    assert openai.models.retrieve("text-to-image").object == "model"


def test_people_choose_the_default(openai: OpenAI, house: House) -> None:
    """Where it takes what a request brings; for others, the first that does still answers."""
    graph = json.loads((SHIPPED / "text-to-image.json").read_text())
    graph["5"]["inputs"]["steps"] = 3
    (house.workspace / "workflows" / "Quick fox.json").write_text(json.dumps(graph))
    with house.client(house.token) as person:
        answer = person.patch("/api/settings", json={"default_image_workflow": "quick-fox"})
        assert answer.status_code == 200, answer.text
    openai.images.generate(prompt="a fox", size="64x64")
    chosen = last_graph(house)["5"]["inputs"]["steps"]
    openai.images.edit(image=png(), prompt="a fox", extra_body={"steps": 2})

    assert chosen == 3
    assert last_graph(house)["4"]["class_type"] == "LoadImage"
    assert next(iter(openai.models.list())).model_extra["name"] == "Quick fox"  # type: ignore[index]
