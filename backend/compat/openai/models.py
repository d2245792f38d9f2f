"""The list of models: every workflow that can make a picture, and the one that is used when none is named."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request

from backend.compat.desk import DEFAULT_MODEL, Desk
from backend.compat.door import READS, door
from backend.compat.openai.errors import tell
from backend.compat.workflow import Workflow

router = APIRouter(prefix="/v1/models", tags=["openai images"], route_class=door(tell))

_OWNER = "hearth"


class Model(BaseModel):
    """A model as OpenAI shows it, with what the workflow behind it takes."""

    id: str = Field(examples=[DEFAULT_MODEL])
    object: Literal["model"] = "model"
    created: int = Field(description="Seconds since 1970", examples=[1_795_000_000])
    owned_by: str = _OWNER
    name: str = Field(description="What people call it", examples=["Text to image"])
    inputs: list[str] = Field(description="Fields that set inputs of the workflow", examples=[["prompt", "seed"]])


class ModelList(BaseModel):
    """Every model."""

    object: Literal["list"] = "list"
    data: list[Model]


@router.get("", summary="List models", openapi_extra=READS)
async def list_models(request: Request) -> ModelList:
    """List the workflows that make pictures; `hearth-default` is the one that is used when a request names none."""
    desk = Desk.of(request)
    workflows = await desk.workflows()
    default = await desk.default()
    first = [] if default is None else [_model(default, DEFAULT_MODEL)]
    return ModelList(data=[*first, *map(_model, workflows)])


@router.get("/{model_id:path}", summary="Show a model", openapi_extra=READS)
async def show_model(model_id: str, request: Request) -> Model:
    """Show one model."""
    workflow = await Desk.of(request).workflow(model_id)
    return _model(workflow, model_id)


def _model(workflow: Workflow, name: str | None = None) -> Model:
    facts: dict[str, Any] = {"name": workflow.title, "inputs": [field.name for field in workflow.fields]}
    return Model(id=name or workflow.id, created=int(workflow.changed_at.timestamp()), **facts)
