"""The machine and this installation: load, checks, folders."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from backend.api.dependencies import Reader, ServicesDep

router = APIRouter(prefix="/api", tags=["system"])


class CheckView(BaseModel):
    """One finding about this installation."""

    name: str = Field(examples=["space"])
    state: str = Field(description="ok, warning or problem", examples=["ok"])
    message: str
    hint: str = Field(description="What to do; empty when there is nothing to do")
    fix: str = Field(description="One line that mends it, to be completed; empty when there is none")


class CheckList(BaseModel):
    """Every finding."""

    items: list[CheckView]
    total: int


class Root(BaseModel):
    """A folder under which models are looked for."""

    path: str
    is_default: bool = Field(description="Downloads go here")


class Category(BaseModel):
    """A kind of model file as ComfyUI names it, and where downloads of it go."""

    name: str = Field(examples=["checkpoints"])
    path: str
    extensions: list[str]


class Paths(BaseModel):
    """Where everything is."""

    workspace: str
    extra_model_paths: str = Field(description="The file that tells ComfyUI about these folders")
    roots: list[Root]
    categories: list[Category]


@router.get("/system", summary="Load and disks")
async def system(services: ServicesDep, _who: Reader) -> dict[str, Any]:
    """Measure processor, memory, disks and graphics card once; what cannot be measured is null with a reason."""
    return await services.host_sample()


@router.get("/system/checks", summary="Check this installation")
async def checks(
    services: ServicesDep,
    _who: Reader,
    measure: Annotated[
        bool, Query(description="Measure the volume's speed too, which takes two seconds and writes 64 MiB for as long")
    ] = False,
) -> CheckList:
    """Run every check; nothing is changed. What was measured before is told without measuring again."""
    found = [
        CheckView(name=check.name, state=check.state, message=check.message, hint=check.hint, fix=check.fix)
        for check in await services.checks(measure=measure)
    ]
    return CheckList(items=found, total=len(found))


@router.get("/paths", summary="Where models are and where downloads go")
async def paths(services: ServicesDep, _who: Reader) -> Paths:
    """List the model folders, ComfyUI's categories and the generated extra_model_paths.yaml."""
    layout = services.paths
    roots = [Root(path=str(root), is_default=index == 0) for index, root in enumerate(layout.roots())]
    categories = [
        Category(name=c.name, path=str(layout.folder(c.name)), extensions=sorted(c.extensions))
        for c in layout.categories
    ]
    return Paths(
        workspace=str(services.settings.workspace),
        extra_model_paths=str(services.extra_model_paths),
        roots=roots,
        categories=categories,
    )
