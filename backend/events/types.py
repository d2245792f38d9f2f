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
TOPICS = (DOWNLOADS, SYSTEM, PRESETS, STORAGE)

DOWNLOAD_PROGRESS = "download.progress"
DOWNLOAD_CHANGED = "download.changed"
DOWNLOAD_REMOVED = "download.removed"
DOWNLOAD_QUEUE = "download.queue"
STORAGE_CHANGED = "storage.changed"
SYSTEM_SAMPLE = "system.sample"
PRESET_CHANGED = "preset.changed"
VERIFICATION_PROGRESS = "verification.progress"
CATALOG_UPDATED = "catalog.updated"

_DOCUMENTED = (
    (DOWNLOAD_PROGRESS, DOWNLOADS, "Numbers of a job and its files; key: the job's id; only the newest is sent."),
    (DOWNLOAD_CHANGED, DOWNLOADS, "The whole job, after it or one of its files changed its state; key: the job's id."),
    (DOWNLOAD_REMOVED, DOWNLOADS, "The job left the history; key: its id."),
    (DOWNLOAD_QUEUE, DOWNLOADS, "The order of the queue, and whether all of it is paused."),
    (STORAGE_CHANGED, STORAGE, "Used and free bytes of each volume that holds models: `{items: [...]}`."),
    (SYSTEM_SAMPLE, SYSTEM, "Processor, memory, disks and graphics cards, once a second; only the newest is sent."),
    (PRESET_CHANGED, PRESETS, "The status of a preset: `{id, status}`; key: the preset's id."),
    (
        VERIFICATION_PROGRESS,
        PRESETS,
        "How far the check of a preset has come; key: its id; of progress only the newest is sent, its end always.",
    ),
    (CATALOG_UPDATED, PRESETS, "The catalogue was replaced: which presets were added, changed and removed."),
)


@dataclass(frozen=True, slots=True)
class Event:
    """Tell one thing that happened.

    Args:
        topic: One of :data:`TOPICS`.
        key: What it is about, such as a job's id; empty when it is about the whole topic.
        data: JSON-ready and not changed afterwards: it is shared by all listeners.
        lasting: False for progress: of those with the same topic, type and key only the newest counts.
    """

    topic: str
    type: str
    key: str
    data: Mapping[str, JSON]
    lasting: bool = True


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
