"""What a job made, for somebody who waits: all of it at the end, or piece by piece while it comes about."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urljoin

from starlette.responses import Response

from backend.compat.complaint import complaint_of
from backend.compat.desk import Desk, Ended, Idle, Preview, Progress
from backend.compat.errors import NoPicture
from backend.compat.openai.answers import Made, Verb, completed_event, error_event, images_answer, partial_event
from backend.compat.openai.errors import error_object
from backend.compat.openai.fields import ImageFields
from backend.compat.pictures import encode, read_picture
from backend.compat.run import cancelled_when_left, completed
from backend.generation import GenerationJob
from backend.generation.shown import ResultShown


async def images_response(desk: Desk, job: GenerationJob, fields: ImageFields, base_url: str) -> Response:
    """Answer every image of *job*, in the format that was asked for.

    Raises:
        NoPicture: There is none.
    """
    if fields.response_format == "url":
        images = [_address(result, fields, base_url) for result in _pictures(job)]
    else:
        images = [await _made(desk, result, fields) for result in _pictures(job)]

    def packed() -> bytes:
        return json.dumps(images_answer(images, fields, job.seed), separators=(",", ":")).encode()

    return Response(await asyncio.to_thread(packed), media_type="application/json")


async def image_events(desk: Desk, job_id: str, verb: Verb, fields: ImageFields) -> AsyncIterator[str]:
    """Tell how *job_id* comes along; the client leaves, the job is cancelled. A comment now and then keeps proxies calm."""
    partial = _Partial(fields.partial_images)
    async with cancelled_when_left(desk, job_id):
        async for update in desk.follow(job_id):
            match update:
                case Progress():
                    partial.ratio = update.ratio
                case Preview():
                    if partial.is_due():
                        image = await asyncio.to_thread(_shown, update.data, fields)
                        yield partial_event(verb, image, fields, partial.take())
                case Idle():
                    yield ": the job waits or runs\n\n"
                case Ended():
                    async for event in _last_events(desk, update.job, verb, fields):
                        yield event
                    return


async def _last_events(desk: Desk, job: GenerationJob, verb: Verb, fields: ImageFields) -> AsyncIterator[str]:
    try:
        for result in _pictures(completed(job)):
            image = await _made(desk, result, fields)
            yield await asyncio.to_thread(completed_event, verb, image, fields)
    except Exception as error:  # noqa: BLE001 -- the status is out, only an event can still tell
        yield error_event(error_object(complaint_of(error)))


@dataclass(slots=True)
class _Partial:
    """Spread the wanted previews evenly over the run: the first of three at a quarter of it."""

    wanted: int
    ratio: float = 0.0
    sent: int = field(default=0)

    def is_due(self) -> bool:
        return self.sent < self.wanted and self.ratio * (self.wanted + 1) >= self.sent + 1

    def take(self) -> int:
        self.sent += 1
        return self.sent - 1


def _pictures(job: GenerationJob) -> list[ResultShown]:
    found = [result for result in job.results if result.mime.startswith("image/")]
    if not found:
        kinds = ", ".join(sorted({result.kind for result in job.results})) or "nothing"
        raise NoPicture(f"The workflow made no picture, but {kinds}.")
    return found


def _address(result: ResultShown, fields: ImageFields, base_url: str) -> Made:
    query = ""
    if fields.output_format is not None:
        query = f"?format={fields.output_format}&quality={fields.output_compression}"
    url = urljoin(base_url, result.url or "") + query
    return Made(fields.output_format or _format_of(result.mime), result.width, result.height, url=url)


async def _made(desk: Desk, result: ResultShown, fields: ImageFields) -> Made:
    data = await desk.read(result)
    wanted = fields.output_format
    if wanted is None and fields.background != "opaque":
        return Made(_format_of(result.mime), result.width, result.height, data)
    packed = await asyncio.to_thread(
        encode, data, wanted or "png", quality=fields.output_compression, flat=fields.background == "opaque"
    )
    return Made(wanted or "png", result.width, result.height, packed)


def _shown(data: bytes, fields: ImageFields) -> Made:
    picture = read_picture(data, "preview")
    if fields.output_format is None:
        return Made(_format_of(picture.mime), picture.width, picture.height, data)
    packed = encode(data, fields.output_format, quality=fields.output_compression)
    return Made(fields.output_format, picture.width, picture.height, packed)


def _format_of(mime: str) -> str:
    return mime.partition("/")[2]
