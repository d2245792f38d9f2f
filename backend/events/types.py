"""Every event that Hearth tells: its topic, its type, and what its data holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from backend.errors import JSON
from backend.kit.clock import utc_now

DOWNLOADS = "downloads"
STORAGE = "storage"
SYSTEM = "system"
PRESETS = "presets"
GENERATIONS = "generations"
WORKFLOWS = "workflows"
TOPICS = (DOWNLOADS, SYSTEM, PRESETS, STORAGE, GENERATIONS, WORKFLOWS)

DOWNLOAD_PROGRESS = "download.progress"
DOWNLOAD_CHANGED = "download.changed"
DOWNLOAD_REMOVED = "download.removed"
DOWNLOAD_QUEUE = "download.queue"
STORAGE_CHANGED = "storage.changed"
SYSTEM_SAMPLE = "system.sample"
SERVICE_CHANGED = "service.changed"
LOG_LINES = "log.lines"
PRESET_CHANGED = "preset.changed"
VERIFICATION_PROGRESS = "verification.progress"
CATALOG_UPDATED = "catalog.updated"
GENERATION_CHANGED = "generation.changed"
GENERATION_PROGRESS = "generation.progress"
GENERATION_PREVIEW = "generation.preview"
BACKEND_CHANGED = "backend.changed"
WORKFLOW_CHANGED = "workflow.changed"
WORKFLOW_REMOVED = "workflow.removed"

_DOCUMENTED = (
    (DOWNLOAD_PROGRESS, DOWNLOADS, "Numbers of a job and its files; key: the job's id; only the newest is sent."),
    (DOWNLOAD_CHANGED, DOWNLOADS, "The whole job, after it or one of its files changed its state; key: the job's id."),
    (DOWNLOAD_REMOVED, DOWNLOADS, "The job left the history; key: its id."),
    (DOWNLOAD_QUEUE, DOWNLOADS, "The order of the queue, and whether all of it is paused."),
    (STORAGE_CHANGED, STORAGE, "Used and free bytes of each volume that holds models: `{items: [...]}`."),
    (SYSTEM_SAMPLE, SYSTEM, "Processor, memory, disks and graphics cards, once a second; only the newest is sent."),
    (
        SERVICE_CHANGED,
        SYSTEM,
        "A service came, went, or was asked for something: as in `GET /api/system/services`; key: its name.",
    ),
    (
        LOG_LINES,
        "logs",
        "Lines that a service wrote: `{lines: [{at, level, text}]}`, on `/ws/system/services/{name}/logs` only; key: its name.",
    ),
    (PRESET_CHANGED, PRESETS, "The status of a preset: `{id, status}`; key: the preset's id."),
    (
        VERIFICATION_PROGRESS,
        PRESETS,
        "How far the check of a preset has come; key: its id; of progress only the newest is sent, its end always.",
    ),
    (CATALOG_UPDATED, PRESETS, "The catalogue was replaced: which presets were added, changed and removed."),
    (GENERATION_CHANGED, GENERATIONS, "The whole job, after its state or its results changed; key: the job's id."),
    (
        GENERATION_PROGRESS,
        GENERATIONS,
        "Numbers of a job that waits or runs: position, ratio, step, nodes, time left; only the newest is sent.",
    ),
    (
        GENERATION_PREVIEW,
        GENERATIONS,
        "A picture in the making, binary, on `/ws/generations` only: length (4 bytes, big-endian), JSON, picture.",
    ),
    (BACKEND_CHANGED, GENERATIONS, "A ComfyUI came, went, began or ended a job; key: empty; only its state is told."),
    (
        WORKFLOW_CHANGED,
        WORKFLOWS,
        "A workflow is new, or its file or picture changed, here or on disk: its facts; key: the workflow's id.",
    ),
    (WORKFLOW_REMOVED, WORKFLOWS, "A workflow was deleted, renamed or moved away: `{id}`; key: the id that it had."),
)


@dataclass(frozen=True, slots=True)
class Event:
    """Tell one thing that happened.

    Args:
        topic: One of :data:`TOPICS`.
        key: What it is about, such as a job's id; empty when it is about the whole topic.
        data: JSON-ready and not changed afterwards: it is shared by all listeners.
        lasting: False for progress: of those with the same topic, type and key only the newest counts.
        blob: Bytes that belong to it, for a binary frame.
    """

    topic: str
    type: str
    key: str
    data: Mapping[str, JSON]
    lasting: bool = True
    blob: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Numbered:
    """An event with its place in its topic.

    ``seq`` counts the lasting events of the topic from 1; progress carries the number of the lasting event before it.
    So a listener of a whole topic sees each number once per lasting event, without gaps.
    """

    seq: int
    event: Event
    at: datetime = field(default_factory=utc_now)


def documented() -> tuple[tuple[str, str, str], ...]:
    """Return type, topic and meaning of every event, for the documentation."""
    return _DOCUMENTED
