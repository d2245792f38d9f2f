"""How a service does, whoever supervises it."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, cast

from pydantic import Field

from backend.errors import JSON


class ServiceState(StrEnum):
    """Where a service stands."""

    RUNNING = "running"  # and ready, where readiness is told
    STARTING = "starting"
    WAITING = "waiting"  # it ended, and is started again after a pause
    STOPPING = "stopping"
    STOPPED = "stopped"  # by somebody, until it is started
    FAILED = "failed"  # nobody starts it again by himself
    OFF = "off"  # not part of this installation


class Action(StrEnum):
    """What can be asked of a service."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"


class ExitReason(StrEnum):
    """Why a process ended."""

    ORDERED = "ordered"  # somebody stopped or restarted it
    REBOOT = "reboot"  # it ended itself in order to be started again, as ComfyUI-Manager does
    CRASH = "crash"


@dataclass(frozen=True, slots=True)
class LastExit:
    """How the process before this one ended."""

    reason: ExitReason
    code: Annotated[int | None, Field(description="Exit code; null when a signal ended it")]
    signal: Annotated[str | None, Field(description="Name of the signal", examples=["SIGKILL"])]
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Known:
    """What is said about a service by name."""

    label: str
    port: int | None = None
    off_hint: str = ""
    is_needed: bool = False


KNOWN: Mapping[str, Known] = {
    "comfyui": Known("ComfyUI", 8188, "ENABLE_COMFYUI is false."),
    "hearth": Known("Dashboard", 8000, is_needed=True),
    "nginx": Known("Proxy", 8001, "This image brings no proxy.", is_needed=True),
    "code-server": Known("code-server", 8080, "Part of the variant dev, unless ENABLE_CODE_SERVER=false."),
    "jupyter": Known("JupyterLab", 8888, "Part of the variant dev, unless ENABLE_JUPYTERLAB=false."),
    "sshd": Known("SSH", 22, "Set PUBLIC_KEY to the key that may sign in."),
}


@dataclass(frozen=True, slots=True)
class Service:
    """One service as it is shown."""

    name: Annotated[str, Field(examples=["comfyui"])]
    label: Annotated[str, Field(examples=["ComfyUI"])]
    port: Annotated[int | None, Field(description="Where it listens, on the loopback interface")]
    state: ServiceState
    wanted: Annotated[bool, Field(description="Whether it shall run")] = False
    ready: Annotated[bool | None, Field(description="Whether it told that it is ready; null when it never tells")] = (
        None
    )
    pid: int | None = None
    since: Annotated[datetime | None, Field(description="Since when it is in this state")] = None
    restarts: Annotated[int, Field(description="How often it ended since the container or Hearth started")] = 0
    last_exit: LastExit | None = None
    next_start_at: Annotated[datetime | None, Field(description="When one that waits is started again")] = None
    memory_bytes: Annotated[int | None, Field(description="Resident memory of it and what it started")] = None
    has_log: bool = False
    actions: Annotated[tuple[Action, ...], Field(description="What can be asked of it now")] = ()
    detail: Annotated[str, Field(description="What is worth knowing; may be empty")] = ""

    def as_dict(self) -> dict[str, JSON]:
        """Shape it for programs."""
        return cast("dict[str, JSON]", {name: _plain(value) for name, value in asdict(self).items()})


def signal_name(number: int) -> str:
    """Return the name of a signal, such as SIGKILL."""
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"


def off(name: str) -> Service:
    """Return a service that exists, but not here."""
    known = KNOWN[name]
    return Service(name, known.label, known.port, ServiceState.OFF, detail=known.off_hint)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in cast("dict[object, object]", value).items()}
    return value
