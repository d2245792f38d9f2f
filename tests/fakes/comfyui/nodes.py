"""What nodes do here. A class without an entry passes on what it gets, or a placeholder of the type that it promises."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from tests.fakes.comfyui.canned import Picture, canned, of_colour, of_seed, preview


class Interrupted(Exception):
    """Somebody asked for it to stop."""


class WorkerKilled(Exception):
    """What SystemExit does in a node: the thread that executes is gone."""


class Failure(Exception):
    """An exception of a node: its type, as the real server names it, and its message."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Context(Protocol):
    """What a node may do besides returning something."""

    async def step(self, value: int, maximum: int, image: bytes | None = None, mime: str = "image/jpeg") -> None: ...
    async def pause(self, seconds: float) -> None: ...
    def text(self, text: str) -> None: ...
    def write(self, prefix: str, ending: str, content: bytes, *, temporary: bool = False) -> dict[str, str]: ...
    def texts(self) -> dict[str, Any]: ...

    @property
    def step_s(self) -> float: ...


@dataclass
class Result:
    values: tuple[Any, ...] = ()
    ui: dict[str, Any] | None = None


Behaviour = Callable[[dict[str, Any], Context], Awaitable[Result]]


async def run(class_type: str, inputs: dict[str, Any], outputs: list[str], context: Context) -> Result:
    """Execute one node."""
    behaviour = _BEHAVIOURS.get(class_type)
    if behaviour is not None:
        return await behaviour(inputs, context)
    picture = next((value for value in inputs.values() if isinstance(value, Picture)), Picture())
    return Result(tuple(picture if kind in ("IMAGE", "LATENT", "MASK") else kind for kind in outputs))


async def _empty_image(inputs: dict[str, Any], _: Context) -> Result:
    return Result((of_colour(inputs["color"], inputs["width"], inputs["height"], inputs["batch_size"]),))


async def _load_image(_inputs: dict[str, Any], _: Context) -> Result:
    return Result((Picture(), Picture()))


async def _image_scale(inputs: dict[str, Any], _: Context) -> Result:
    return Result((inputs["image"].scaled(inputs["width"], inputs["height"]),))


async def _image_invert(inputs: dict[str, Any], _: Context) -> Result:
    return Result((inputs["image"].inverted(),))


async def _image_batch(inputs: dict[str, Any], _: Context) -> Result:
    return Result((replace(inputs["image1"], count=inputs["image1"].count + inputs["image2"].count),))


async def _upscale(inputs: dict[str, Any], context: Context) -> Result:
    await context.step(1, 1)
    return Result((inputs["image"].scaled(inputs["image"].width * 2, inputs["image"].height * 2),))


async def _empty_latent(inputs: dict[str, Any], _: Context) -> Result:
    return Result((Picture(inputs["width"], inputs["height"], count=inputs.get("batch_size", 1)),))


async def _sample(inputs: dict[str, Any], context: Context) -> Result:
    steps, seed = inputs.get("steps", 20), inputs.get("seed", inputs.get("noise_seed", 0))
    for step in range(1, steps + 1):
        await context.pause(context.step_s)
        await context.step(step, steps, preview(step, steps))
    latent = inputs.get("latent_image")
    size = latent if isinstance(latent, Picture) else Picture(512, 512)
    return Result((of_seed(seed, size.width, size.height, size.count),))


async def _slow(inputs: dict[str, Any], context: Context) -> Result:
    steps = inputs["steps"]
    for step in range(1, steps + 1):
        await context.pause(inputs["seconds"] / steps)
        await context.step(step, steps, preview(step, steps) if inputs["previews"] else None)
    return Result((of_seed(inputs["seed"], 64, 64, 1),))


async def _blocking(inputs: dict[str, Any], _: Context) -> Result:
    await asyncio.sleep(inputs["seconds"])  # without looking whether it should stop
    return Result((Picture(),))


async def _fail(inputs: dict[str, Any], _: Context) -> Result:
    message, kind = inputs["message"], inputs["kind"]
    if kind == "SystemExit":
        raise WorkerKilled
    if kind == "OOM":
        tips = "This error means you ran out of memory on your GPU.\n\nTIPS: If the workflow worked before you might have accidentally set the batch_size to a large number."
        raise Failure("torch.OutOfMemoryError", f"{message}\n{tips}")
    raise Failure("ValueError", f"{message}\n")


async def _text(inputs: dict[str, Any], context: Context) -> Result:
    context.text(inputs["text"])
    return Result((inputs["text"],), {"text": [inputs["text"]]})


async def _save_image(inputs: dict[str, Any], context: Context) -> Result:
    picture, prefix = inputs["images"], inputs.get("filename_prefix", "ComfyUI")
    content = picture.png(context.texts())
    return Result((), {"images": [context.write(prefix, "png", content) for _ in range(picture.count)]})


async def _preview_image(inputs: dict[str, Any], context: Context) -> Result:
    picture = inputs["images"]
    content = picture.png(context.texts())
    files = [context.write("ComfyUI_temp_simul", "png", content, temporary=True) for _ in range(picture.count)]
    return Result((), {"images": files})


async def _save_animation(inputs: dict[str, Any], context: Context) -> Result:
    file = context.write(inputs["filename_prefix"], "webp", canned("animation.webp"))
    return Result((), {"images": [file], "animated": [True]})


async def _save_video(inputs: dict[str, Any], context: Context) -> Result:
    file = context.write(inputs["filename_prefix"], "mp4", canned("video.mp4"))
    return Result((), {"images": [file], "animated": [True]})


def _save_audio(ending: str) -> Behaviour:
    async def save(inputs: dict[str, Any], context: Context) -> Result:
        file = context.write(inputs["filename_prefix"], ending, canned(f"audio.{ending}"))
        return Result((), {"audio": [file]})

    return save


async def _over_socket(inputs: dict[str, Any], context: Context) -> Result:
    picture = inputs["images"]
    for number in range(picture.count):
        await context.step(number, picture.count, picture.png(), "image/png")
    return Result()


async def _preview_any(inputs: dict[str, Any], _: Context) -> Result:
    return Result((), {"text": [str(inputs["source"])]})


_BEHAVIOURS: dict[str, Behaviour] = {
    "EmptyImage": _empty_image, "LoadImage": _load_image, "ImageScale": _image_scale, "ImageInvert": _image_invert,
    "ImageBatch": _image_batch, "ImageUpscaleWithModel": _upscale, "EmptyLatentImage": _empty_latent,
    "EmptySD3LatentImage": _empty_latent, "KSampler": _sample, "KSamplerAdvanced": _sample,
    "SamplerCustomAdvanced": _sample, "SaveImage": _save_image, "PreviewImage": _preview_image,
    "SaveAnimatedWEBP": _save_animation, "SaveVideo": _save_video, "SaveAudio": _save_audio("flac"),
    "SaveAudioMP3": _save_audio("mp3"), "SaveImageWebsocket": _over_socket, "PreviewAny": _preview_any,
    "TestSlowProgress": _slow, "TestBlockingSleep": _blocking, "TestFail": _fail, "TestTextProgress": _text,
}  # fmt: skip
