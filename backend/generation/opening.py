"""Make the backends that the settings name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backend.comfyui import ComfyUIProcess, Installation, LaunchPlan, NotInstalled, ProcessState
from backend.generation.backends import Backend
from backend.logs import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Child:
    """A checkout of ComfyUI that Hearth runs itself.

    Args:
        base_directory: Holds its models, inputs, outputs and custom nodes.
        environment: What Hearth was started with; what is private to Hearth is left out.
    """

    directory: Path
    port: int
    base_directory: Path
    extra_model_paths: Path
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


async def make_backends(urls: Sequence[str], child: Child | None, changed: Callable[[str], None]) -> list[Backend]:
    """Return a backend for each address, and one for the child; none is started.

    A checkout that cannot be run is told in the log and left out: everything else of Hearth works without it.

    Args:
        changed: Told the id of a backend that can do more or less than before.
    """
    backends = [_backend(url, changed) for url in urls]
    if child is not None:
        try:
            installation = await asyncio.to_thread(Installation.find, child.directory)
        except NotInstalled as error:
            log.error("comfyui_not_installed", reason=error.message, hint=error.hint)  # noqa: TRY400 -- no defect of ours
        else:
            backends.append(_child(installation, child, changed))
    return backends


def _backend(url: str, changed: Callable[[str], None]) -> Backend:
    backend = Backend(url, changed=lambda: changed(backend.id))
    return backend


def _child(installation: Installation, child: Child, changed: Callable[[str], None]) -> Backend:
    plan = LaunchPlan(
        installation=installation,
        port=child.port,
        base_directory=child.base_directory,
        database=child.base_directory / "user" / "comfyui.db",
        extra_model_paths=child.extra_model_paths,
        arguments=child.arguments,
        environment=child.environment,
    )

    def turned(_state: ProcessState) -> None:
        backend.look()

    process = ComfyUIProcess(plan, on_change=turned)
    backend = Backend(plan.url, changed=lambda: changed(backend.id), process=process)
    return backend
