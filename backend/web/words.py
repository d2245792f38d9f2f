"""How states are shown: word, icon and tone together, because colour alone tells nothing to many people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backend.downloads import DownloadFile, DownloadJob
from backend.errors import HearthError
from backend.generation import GenerationJob, State
from backend.presets import PresetFileView, PresetView, Status
from backend.system import Service, ServiceState


@dataclass(frozen=True, slots=True)
class Look:
    """A word with the icon beside it and the tone of both."""

    word: str
    icon: str
    tone: str


JOB_LOOKS: Mapping[str, Look] = {
    "queued": Look("Queued", "clock", "neutral"),
    "resolving": Look("Resolving", "scan-search", "info"),
    "downloading": Look("Downloading", "arrow-down", "primary"),
    "verifying": Look("Verifying", "fingerprint", "secondary"),
    "completed": Look("Done", "circle-check", "success"),
    "failed": Look("Failed", "octagon-x", "danger"),
    "cancelled": Look("Cancelled", "ban", "neutral"),
    "paused": Look("Paused", "circle-pause", "warning"),
    "blocked": Look("Needs you", "key-round", "warning"),
}

GENERATION_LOOKS: Mapping[State, Look] = {
    State.QUEUED: Look("Queued", "clock", "neutral"),
    State.RUNNING: Look("Generating", "wand-sparkles", "secondary"),
    State.COMPLETED: Look("Done", "circle-check", "success"),
    State.FAILED: Look("Failed", "octagon-x", "danger"),
    State.CANCELLED: Look("Cancelled", "ban", "neutral"),
}

SERVICE_LOOKS: Mapping[ServiceState, Look] = {
    ServiceState.RUNNING: Look("Running", "circle-check", "success"),
    ServiceState.STARTING: Look("Starting", "clock", "info"),
    ServiceState.WAITING: Look("Starts again", "triangle-alert", "warning"),
    ServiceState.STOPPING: Look("Stopping", "clock", "warning"),
    ServiceState.STOPPED: Look("Stopped", "circle-stop", "neutral"),
    ServiceState.FAILED: Look("Failed", "octagon-x", "danger"),
    ServiceState.OFF: Look("Off", "circle-dashed", "neutral"),
}

STARTUP_LOOKS: Mapping[str, Look] = {
    "starting": Look("Starting", "clock", "info"),
    "ready": Look("Ready", "circle-check", "success"),
    "failed": Look("Failed", "octagon-x", "danger"),
    "stopped": Look("Stopped", "circle-stop", "neutral"),
    "none": Look("None", "circle-dashed", "neutral"),
}

PRESET_LOOKS: Mapping[Status, Look] = {
    Status.ABSENT: Look("Not installed", "circle-dashed", "neutral"),
    Status.PARTIAL: Look("Incomplete", "circle-alert", "warning"),
    Status.DOWNLOADING: Look("Downloading", "arrow-down", "primary"),
    Status.INSTALLED: Look("Installed", "circle-check", "success"),
    Status.INSTALLED_UNVERIFIED: Look("Installed, not verified", "circle-check", "neutral"),
    Status.DAMAGED: Look("Damaged", "octagon-x", "danger"),
}

FILE_LOOKS: Mapping[Status, Look] = {
    Status.ABSENT: Look("Not downloaded", "circle-dashed", "neutral"),
    Status.PARTIAL: Look("Unfinished", "circle-alert", "warning"),
    Status.DOWNLOADING: Look("Waiting", "clock", "neutral"),
    Status.INSTALLED: Look("Verified", "shield-check", "success"),
    Status.INSTALLED_UNVERIFIED: Look("Not verified", "circle-check", "neutral"),
    Status.DAMAGED: Look("Damaged", "octagon-x", "danger"),
}

STATUS_FILTERS: tuple[tuple[str, str], ...] = (
    ("", "Any state"),
    ("installed,installed-unverified", "Installed"),
    ("absent", "Not installed"),
    ("downloading", "Downloading"),
    ("partial", "Incomplete"),
    ("damaged", "Damaged"),
    ("installed-unverified", "Not verified"),
)

SORTS: tuple[tuple[str, str], ...] = (
    ("", "Name, or best match"),
    ("status", "State"),
    ("-size", "Largest first"),
    ("size", "Smallest first"),
)

TOKEN_HOSTS: Mapping[str, str] = {
    "huggingface.co": "Hugging Face",
    "civitai.com": "Civitai",
    "github.com": "GitHub",
}


_HINTS: Mapping[str, str] = {
    "preset_not_found": "Search for it among the presets: it may have another name now.",
    "preset_retired": "Choose another preset.",
    "preset_busy": "Cancel its download first.",
    "download_not_found": "It may have been cleared from the history.",
    "file_name_unknown": "Give a file name, such as model.safetensors.",
    "invalid_download_request": "Give the address of one file, and a folder.",
    "generation_not_found": "It may have been made by somebody else.",
    "workflow_not_found": "Choose another workflow.",
    "result_not_found": "It may have been deleted, or made by somebody else.",
    "service_not_found": "Look at the list of services.",
    "illegal_service_action": "Look at its state again.",
    "presets_disabled": "Set ENABLE_PRESET_MANAGER=true and start Hearth again.",
}


def hint_for_people(error: HearthError) -> str:
    """Return what to do next on a page; hints that speak of endpoints are for programs and left out."""
    known = _HINTS.get(error.code)
    if known is not None:
        return known
    return "" if "/api/" in error.hint or "GET " in error.hint else error.hint


def preset_look(preset: PresetView) -> Look:
    """Return how a preset stands; one that is being fetched shows what its job does."""
    if preset.download is not None:
        return JOB_LOOKS[preset.download.state]
    if preset.status is Status.PARTIAL and preset.files_present:
        return Look(f"{preset.files_present} of {preset.files_total} files", "circle-alert", "warning")
    return PRESET_LOOKS[preset.status]


def job_look(job: DownloadJob | DownloadFile) -> Look:
    """Return how a job or one of its files stands; a parked one says what it needs."""
    error = job.error
    if job.state == "blocked" and error is not None and error.get("code") in ("no_space", "not_enough_space"):
        return Look("Needs space", "triangle-alert", "warning")
    return JOB_LOOKS[job.state]


def file_look(file: PresetFileView) -> Look:
    """Return how a file of a preset stands on disk."""
    return FILE_LOOKS[file.status]


def generation_look(job: GenerationJob) -> Look:
    """Return how a generation stands."""
    return GENERATION_LOOKS[job.state]


def service_look(service: Service) -> Look:
    """Return how a service stands."""
    return SERVICE_LOOKS[service.state]


def startup_look(state: str) -> Look:
    """Return how far ComfyUI is."""
    return STARTUP_LOOKS[state]
