"""How the newest start went."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from backend.api.dependencies import Reader, ServicesDep
from backend.bootstrap import ComfyUIState, StartupReport
from backend.system import AdviceKind, NodeFailure, Part, Phase, Service

router = APIRouter(prefix="/api", tags=["system"])


class PhaseView(BaseModel):
    """One stretch of the start."""

    part: Part
    name: str = Field(examples=["imports"])
    label: str = Field(examples=["Program loaded"])
    started_at: datetime
    ended_at: datetime | None = Field(description="Null while it goes on")
    after_ms: int = Field(description="Milliseconds between the first moment of the start and this phase")
    ms: int | None = Field(description="How long it took; null while it goes on")
    detail: str


class FailureView(BaseModel):
    """A custom node that could not be imported, and what to do about it."""

    name: str = Field(examples=["ComfyUI-Florence2"])
    path: str
    stage: str = Field(description="import or prestartup", examples=["import"])
    exception: str = Field(examples=["ModuleNotFoundError"])
    message: str = Field(examples=["No module named 'timm'"])
    action: AdviceKind
    advice: str = Field(examples=["Install timm, which ComfyUI-Florence2 needs, and restart ComfyUI."])
    package: str = Field(description="The package that is missing, or has another version; may be empty")
    command: str = Field(description="One line that mends it, where that is certain; may be empty")
    traceback: list[str]


class NodeView(BaseModel):
    """A custom node with the time that its import took."""

    name: str
    seconds: float
    failed: bool


class ComfyUIBoot(BaseModel):
    """What ComfyUI's log says about its newest start."""

    version: str | None = Field(examples=["0.3.64"])
    frontend: str | None
    python: str | None
    torch: str | None = Field(examples=["2.9.1+cu130"])
    device: str | None = Field(examples=["cuda:0 NVIDIA GeForce RTX 4090 : cudaMallocAsync"])
    is_complete: bool = Field(description="Whether it says that it listens")
    nodes: list[NodeView]
    failures: list[FailureView]


class Startup(BaseModel):
    """The newest start: phases of the container, of Hearth and of ComfyUI, in order."""

    state: ComfyUIState
    message: str = Field(examples=["ComfyUI is starting."])
    total_ms: int | None = Field(description="From the first moment to the last; null while something goes on")
    is_restart: bool = Field(
        description="Whether ComfyUI alone was started again since; its phases and `total_ms` then count from its own start"
    )
    phases: list[PhaseView]
    service: Service | None = Field(description="ComfyUI's process; null when nothing here supervises one")
    comfyui: ComfyUIBoot
    volume: dict[str, Any] = Field(description="What the container's start found out about its volume; empty outside")


@router.get("/startup", summary="How the start went")
async def startup(services: ServicesDep, _who: Reader) -> Startup:
    """Tell every phase with milliseconds, and what of ComfyUI could not be loaded; poll it while `state` is `starting`."""
    return _shown(await services.startup.report())


def _shown(report: StartupReport) -> Startup:
    boot = report.boot
    return Startup(
        state=report.state,
        message=report.message,
        total_ms=report.total_ms,
        is_restart=report.is_restart,
        phases=[_phase(phase, report) for phase in report.phases],
        service=report.service,
        comfyui=ComfyUIBoot(
            version=boot.version,
            frontend=boot.frontend,
            python=boot.python,
            torch=boot.torch,
            device=boot.device,
            is_complete=boot.is_complete,
            nodes=[NodeView(name=node.name, seconds=node.seconds, failed=node.failed) for node in boot.nodes],
            failures=[*map(_failure, boot.failures)],
        ),
        volume=dict(report.volume),
    )


def _phase(phase: Phase, report: StartupReport) -> PhaseView:
    return PhaseView(
        part=phase.part,
        name=phase.name,
        label=phase.label,
        started_at=phase.started_at,
        ended_at=phase.ended_at,
        after_ms=report.after_ms(phase),
        ms=phase.ms,
        detail=phase.detail,
    )


def _failure(failure: NodeFailure) -> FailureView:
    return FailureView(
        name=failure.name,
        path=failure.path,
        stage=failure.stage,
        exception=failure.exception,
        message=failure.message,
        action=failure.advice.kind,
        advice=failure.advice.text,
        package=failure.advice.package,
        command=failure.advice.command,
        traceback=list(failure.traceback),
    )
