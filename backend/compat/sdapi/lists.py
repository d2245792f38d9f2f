"""What A1111's clients ask before they let people choose: models, samplers, schedulers, and the one option that matters."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse

from backend.compat.body import Body
from backend.compat.desk import Desk
from backend.compat.door import GENERATES, READS, door
from backend.compat.identity import owner_of
from backend.compat.sdapi.answers import tell
from backend.compat.sdapi.checkpoints import checkpoints_of, current_checkpoint, describe, find_checkpoint
from backend.compat.sdapi.images import TEXT_TO_IMAGE
from backend.compat.sdapi.runs import Desks
from backend.compat.sdapi.samplers import sampler_list, scheduler_list
from backend.compat.workflow import Workflow
from backend.errors import JSON
from backend.generation.workflows import Role

router = APIRouter(prefix="/sdapi/v1", tags=["a1111"], route_class=door(tell), default_response_class=JSONResponse)


class Options(Body):
    """Options of A1111; all but the model are accepted and without effect."""

    sd_model_checkpoint: str | None = Field(None, max_length=500, description="Used for further requests with this key")


async def _workflow(request: Request) -> Workflow:
    return await Desk.of(request).workflow(TEXT_TO_IMAGE)


@router.get("/options", summary="Show the options", openapi_extra=READS)
async def options(request: Request) -> JSONResponse:
    """Show the model that is used when a request names none."""
    workflow = await _workflow(request)
    chosen = Desks.of(request).chosen(owner_of(request))
    shown: dict[str, JSON] = {
        "sd_model_checkpoint": chosen or current_checkpoint(workflow), "sd_checkpoint_hash": "", "samples_format": "png",
        "sd_vae": "Automatic", "CLIP_stop_at_last_layers": 1,
    }  # fmt: skip
    return JSONResponse(shown)


@router.post("/options", summary="Choose the model", openapi_extra=GENERATES)
async def choose(request: Request, chosen: Options) -> JSONResponse:
    """Use another model from now on, for requests with the same key; until Hearth is started again."""
    if chosen.sd_model_checkpoint:
        checkpoint = find_checkpoint(await _workflow(request), chosen.sd_model_checkpoint)
        Desks.of(request).choose(owner_of(request), checkpoint)
    return JSONResponse(None)


@router.get("/sd-models", summary="List checkpoints", openapi_extra=READS)
async def sd_models(request: Request) -> JSONResponse:
    """List the checkpoints that ComfyUI can open."""
    return JSONResponse([describe(each) for each in checkpoints_of(await _workflow(request))])


@router.get("/samplers", summary="List samplers", openapi_extra=READS)
async def samplers(request: Request) -> JSONResponse:
    """List the samplers, by A1111's names where it has one; ComfyUI's names are accepted too."""
    field = (await _workflow(request)).role(Role.SAMPLER)
    return JSONResponse(sampler_list(() if field is None else field.choices or ()))


@router.get("/schedulers", summary="List schedulers", openapi_extra=READS)
async def schedulers(request: Request) -> JSONResponse:
    """List the schedulers, likewise."""
    field = (await _workflow(request)).role(Role.SCHEDULER)
    return JSONResponse(scheduler_list(() if field is None else field.choices or ()))
