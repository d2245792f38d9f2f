"""A1111's txt2img and img2img: one long request each, with progress and interrupt beside it."""

from __future__ import annotations

import asyncio
from functools import partial

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from backend.compat.desk import Desk, Ended, Order, Update
from backend.compat.door import GENERATES, READS, door
from backend.compat.errors import JobFailed, NoPicture
from backend.compat.identity import owner_of
from backend.compat.pictures import Picture, decode_mask, decode_picture, fitted
from backend.compat.run import cancelled_when_left, completed, unless_left
from backend.compat.sdapi.answers import Facts, pictures_answer, progress_answer, tell, timestamp
from backend.compat.sdapi.checkpoints import current_checkpoint, find_checkpoint
from backend.compat.sdapi.fields import Img2Img, Txt2Img
from backend.compat.sdapi.runs import Desks, Run
from backend.compat.sdapi.samplers import sampling_for
from backend.compat.workflow import Values, Workflow
from backend.errors import JSON
from backend.generation import GenerationJob, State
from backend.generation.workflows import Role

router = APIRouter(prefix="/sdapi/v1", tags=["a1111"], route_class=door(tell))

TEXT_TO_IMAGE, IMAGE_TO_IMAGE, INPAINT = "text-to-image", "image-to-image", "inpaint"
_STEP = 8  # pixels; what a latent of Stable Diffusion can hold


@router.post("/txt2img", summary="Make pictures from words", openapi_extra=GENERATES, response_class=Response)
async def txt2img(request: Request, wanted: Txt2Img) -> Response:
    """Run the workflow `text-to-image` and answer its pictures as base64; closing the connection cancels the job."""
    desk = Desk.of(request)
    workflow = await desk.workflow(TEXT_TO_IMAGE)
    return await _answer(request, desk, wanted, _values(request, workflow, wanted))


@router.post("/img2img", summary="Make pictures from a picture", openapi_extra=GENERATES, response_class=Response)
async def img2img(request: Request, wanted: Img2Img) -> Response:
    """Run the workflow `image-to-image` on the first of `init_images`, or `inpaint` when there is a `mask`; likewise."""
    desk = Desk.of(request)
    workflow = await desk.workflow(IMAGE_TO_IMAGE if wanted.mask is None else INPAINT)
    values = _values(request, workflow, wanted)
    values.put(Role.DENOISE, wanted.denoising_strength)
    image, mask = await asyncio.to_thread(_pictures_of, wanted)
    values.put(Role.IMAGE, await desk.keep(image))
    if mask is not None:
        values.put(Role.MASK, await desk.keep(mask))
    return await _answer(request, desk, wanted, values)


@router.get("/progress", summary="Show the progress", openapi_extra=READS, response_class=JSONResponse)
async def progress(request: Request, skip_current_image: bool = False) -> JSONResponse:
    """Tell how far the caller's own request is, with the picture as it looks now; other people's are not shown."""
    runs = Desks.of(request).runs(owner_of(request))
    return JSONResponse(progress_answer(runs, skip_current_image=skip_current_image))


@router.post("/interrupt", summary="Stop", openapi_extra=GENERATES, response_class=JSONResponse)
async def interrupt(request: Request) -> JSONResponse:
    """Cancel what the caller has running; the waiting request answers with the picture as far as it came."""
    desk = Desk.of(request)
    for run in Desks.of(request).runs(owner_of(request)):
        run.interrupted = True
        await desk.cancel(run.job_id)
    return JSONResponse({})


def _values(request: Request, workflow: Workflow, wanted: Txt2Img) -> Values:
    values = Values(workflow)
    sampling = sampling_for(wanted.sampler_name or wanted.sampler_index, wanted.scheduler)
    told: dict[Role, JSON] = {
        Role.PROMPT: wanted.prompt, Role.NEGATIVE_PROMPT: wanted.negative_prompt, Role.STEPS: wanted.steps,
        Role.CFG: wanted.cfg_scale, Role.SAMPLER: sampling.sampler, Role.SCHEDULER: sampling.scheduler,
        Role.CHECKPOINT: _checkpoint(request, workflow, wanted),
    }  # fmt: skip
    for role, value in told.items():
        if value is not None:
            values.put(role, value)
    values.put_size(wanted.width, wanted.height)
    return values


def _checkpoint(request: Request, workflow: Workflow, wanted: Txt2Img) -> str | None:
    named = wanted.checkpoint or Desks.of(request).chosen(owner_of(request))
    return find_checkpoint(workflow, named) if named else current_checkpoint(workflow) or None


def _pictures_of(wanted: Img2Img) -> tuple[Picture, Picture | None]:
    """Read the picture to begin with, and the mask, in the size that is wanted; blocking."""
    width, height = (max(_STEP, round(side / _STEP) * _STEP) for side in (wanted.width, wanted.height))
    image = decode_picture(wanted.init_images[0], "init_images")
    fit = partial(fitted, width=width, height=height, crop=wanted.resize_mode == 1)
    if wanted.mask is None:
        return fit(image), None
    mask = decode_mask(wanted.mask, "mask", inverted=bool(wanted.inpainting_mask_invert))
    return fit(image), fit(mask)


async def _answer(request: Request, desk: Desk, wanted: Txt2Img, values: Values) -> Response:
    seed = None if wanted.seed < 0 else wanted.seed
    order = Order(
        workflow=values.workflow,
        inputs=values.complete(seeded=seed is not None),
        n=wanted.count,
        seed=seed,
        source="sdapi",
    )
    job = await desk.submit(order)
    run = Run(job.id, wanted.count, wanted.steps, timestamp())
    with Desks.of(request).running(desk.owner, run):
        async with cancelled_when_left(desk, job.id):
            done = await unless_left(request, _followed(desk, run))
    pictures = await _pictures(desk, done, run)
    field = values.workflow.role(Role.CHECKPOINT)
    facts = Facts(
        seed=done.seed or 0,
        checkpoint=str(values.inputs.get(field.name, "")) if field is not None else "",
        sampler=wanted.sampler_name or wanted.sampler_index or "",
    )
    content = await asyncio.to_thread(pictures_answer, pictures, wanted, facts, interrupted=run.interrupted)
    return Response(content, media_type="application/json")


async def _followed(desk: Desk, run: Run) -> GenerationJob:
    update: Update
    async for update in desk.follow(run.job_id):
        if isinstance(update, Ended):
            return update.job
        run.hear(update)
    raise JobFailed("lost", "The job is not known any more.", "Send the request again.", {})


async def _pictures(desk: Desk, job: GenerationJob, run: Run) -> list[bytes]:
    if job.state is State.CANCELLED and run.interrupted:
        return [] if run.preview is None else [run.preview]
    found = [result for result in completed(job).results if result.mime.startswith("image/")]
    if not found:
        raise NoPicture("The workflow made no picture.")
    return [await desk.read(result) for result in found]
