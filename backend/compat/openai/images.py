"""OpenAI's images: generations, edits and variations are one job each, run by the workflow that the request calls model."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from backend.compat.desk import Desk, Order
from backend.compat.door import GENERATES, door
from backend.compat.errors import UnusableRequest
from backend.compat.openai.answers import Verb
from backend.compat.openai.errors import tell
from backend.compat.openai.fields import ImageFields
from backend.compat.openai.inputs import Given, inputs_for
from backend.compat.openai.making import image_events, images_response
from backend.compat.pictures import Picture, read_picture
from backend.compat.run import cancelled_when_left, finished, unless_left
from backend.generation import GenerationJob

router = APIRouter(prefix="/v1/images", tags=["openai images"], route_class=door(tell))

MAX_IMAGES = 16
_EXAMPLE = {"model": "hearth-default", "prompt": "A red fox in the snow", "size": "1024x1024"}
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The images; with `stream: true`, server-sent events",
        "content": {"application/json": {}, "text/event-stream": {}},
    }
}


def _form(*pictures: str) -> dict[str, Any]:
    """Describe a form with *pictures* for the reference; FastAPI cannot: the fields of a workflow are not known to it."""
    schema = ImageFields.model_json_schema()
    for name in pictures:
        schema["properties"][name] = {"type": "string", "format": "binary", "description": "png, jpeg or webp"}
    schema["required"] = [pictures[0]]
    return {**GENERATES, "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


@router.post("/generations", summary="Make images", responses=_ANSWER, openapi_extra=GENERATES, response_class=Response)
async def generations(request: Request, fields: ImageFields) -> Response:
    """Run the workflow named as `model`; fields that OpenAI does not know set the workflow's inputs of that name.

    Closing the connection before the end cancels the job.
    """
    return await _answer(request, "image_generation", fields, (), None)


@router.post(
    "/edits",
    summary="Change images",
    responses=_ANSWER,
    openapi_extra=_form("image", "image[]", "mask"),
    response_class=Response,
)
async def edits(request: Request) -> Response:
    """Run a workflow that begins with pictures: `image` or several `image[]`, and a `mask` where it takes one.

    Where the mask is transparent, the image is painted anew.
    """
    async with request.form(max_files=MAX_IMAGES + 1) as form:
        fields, images, mask = await _read_form(form)
    return await _answer(request, "image_edit", fields, images, mask)


@router.post(
    "/variations",
    summary="Vary an image",
    responses=_ANSWER,
    openapi_extra=_form("image"),
    response_class=Response,
)
async def variations(request: Request) -> Response:
    """Run a workflow that begins with a picture; a prompt may be given and need not."""
    async with request.form(max_files=1) as form:
        fields, images, _ = await _read_form(form)
    return await _answer(request, "image_edit", fields, images, None)


async def _read_form(form: FormData) -> tuple[ImageFields, list[Picture], Picture | None]:
    given: dict[str, str] = {}
    images: list[Picture] = []
    mask: Picture | None = None
    for name, value in form.multi_items():
        if not isinstance(value, UploadFile):
            given[name] = value
        elif name in ("image", "image[]"):
            images.append(await _read_file(value, "image"))
        elif name == "mask":
            mask = await _read_file(value, "mask")
        else:
            raise UnusableRequest(f"{name!r} cannot be a file.", field=name)
    if not images:
        raise UnusableRequest("There is no image in the form.", field="image")
    return ImageFields.read(given), images, mask


async def _read_file(file: UploadFile, field: str) -> Picture:
    return await asyncio.to_thread(read_picture, await file.read(), field)


async def _answer(
    request: Request, verb: Verb, fields: ImageFields, images: tuple[Picture, ...] | list[Picture], mask: Picture | None
) -> Response:
    desk = Desk.of(request)
    workflow = await desk.workflow(fields.model, pictures=len(images), mask=mask is not None)
    kept = Given([await desk.keep(image) for image in images], None if mask is None else await desk.keep(mask))
    order = Order(
        workflow=workflow,
        inputs=inputs_for(workflow, fields, kept),
        n=fields.n,
        seed=fields.seed,
        source="openai",
        idempotency_key=request.headers.get("idempotency-key"),
    )
    job = await desk.submit(order)
    if fields.stream:
        return StreamingResponse(
            image_events(desk, job.id, verb, fields),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},
        )
    async with cancelled_when_left(desk, job.id):
        done: GenerationJob = await unless_left(request, finished(desk.follow(job.id)))
    return await images_response(desk, done, fields, str(request.base_url))
