"""What ComfyUI's answers hold, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from backend.comfyui.errors import NodeProblem
from backend.comfyui.outputs import NodeOutput, node_outputs
from backend.comfyui.shapes import mapping, sequence, text, texts, whole
from backend.errors import JSON


@dataclass(frozen=True, slots=True)
class Submitted:
    """A prompt that ComfyUI took.

    ``problems`` is not empty where some outputs were refused and will silently not be made; the others run.
    """

    prompt_id: str
    number: float
    problems: tuple[NodeProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A prompt that waits or runs; ``extra_data`` may hold somebody's API key in versions before 0.26."""

    number: float
    prompt_id: str
    graph: Mapping[str, JSON] = field(repr=False)
    extra_data: Mapping[str, JSON] = field(repr=False)
    output_nodes: tuple[str, ...]

    @property
    def client_id(self) -> str | None:
        """Who is told about it."""
        return text(self.extra_data.get("client_id"))

    @classmethod
    def read(cls, value: JSON) -> QueueEntry | None:
        """Read one entry of /queue, or the ``prompt`` of a history record; None when it is none."""
        parts = sequence(value)
        if len(parts) < 5:
            return None
        number, prompt_id = parts[0], text(parts[1])
        if prompt_id is None or not isinstance(number, (int, float)):
            return None
        return cls(float(number), prompt_id, mapping(parts[2]), mapping(parts[3]), texts(parts[4]))


@dataclass(frozen=True, slots=True)
class Queue:
    """What ComfyUI runs and what waits; ``pending`` is in the order in which it will run."""

    running: tuple[QueueEntry, ...]
    pending: tuple[QueueEntry, ...]

    @classmethod
    def read(cls, value: object) -> Queue:
        """Read the answer of GET /queue."""
        document = mapping(value)
        running = tuple(filter(None, map(QueueEntry.read, sequence(document.get("queue_running")))))
        pending = filter(None, map(QueueEntry.read, sequence(document.get("queue_pending"))))
        # The server lists a heap; it pops the lowest (number, prompt id).
        return cls(running, tuple(sorted(pending, key=lambda entry: (entry.number, entry.prompt_id))))

    def position(self, prompt_id: str) -> int | None:
        """Return 0 for a prompt that runs, 1 for the next one, and so on; None for one that is not here."""
        if any(entry.prompt_id == prompt_id for entry in self.running):
            return 0
        ids = [entry.prompt_id for entry in self.pending]
        return ids.index(prompt_id) + 1 if prompt_id in ids else None


@dataclass(frozen=True, slots=True)
class HistoryRecord:
    """A prompt that is over; ``messages`` are its lasting events in order, as (type, data)."""

    prompt_id: str
    entry: QueueEntry | None
    outputs: tuple[NodeOutput, ...]
    is_success: bool
    messages: tuple[tuple[str, Mapping[str, JSON]], ...] = field(repr=False)

    @classmethod
    def read(cls, prompt_id: str, value: object) -> HistoryRecord:
        """Read one record of GET /history."""
        document = mapping(value)
        status = mapping(document.get("status"))
        pairs = (sequence(each) for each in sequence(status.get("messages")))
        messages = tuple((text(each[0]) or "", mapping(each[1])) for each in pairs if len(each) == 2)
        cached = frozenset(
            node for kind, data in messages if kind == "execution_cached" for node in texts(data.get("nodes"))
        )
        return cls(
            prompt_id,
            QueueEntry.read(document.get("prompt")),
            node_outputs(mapping(document.get("outputs")), cached),
            text(status.get("status_str")) != "error",
            messages,
        )

    @property
    def cached_nodes(self) -> tuple[str, ...]:
        """The nodes that did not run because their results were known."""
        return tuple(
            node for kind, data in self.messages if kind == "execution_cached" for node in texts(data.get("nodes"))
        )

    def time_ms(self, *kinds: str) -> int | None:
        """Return when the last message of one of *kinds* was written, in milliseconds since 1970."""
        times = [whole(data.get("timestamp")) for kind, data in self.messages if kind in kinds]
        return times[-1] if times else None


@dataclass(frozen=True, slots=True)
class Device:
    """A device that computes; bytes. On a CPU ``vram_*`` are those of the host."""

    name: str
    type: str
    index: int | None
    vram_total: int
    vram_free: int


@dataclass(frozen=True, slots=True)
class SystemStats:
    """What ComfyUI tells about itself and its machine; ``argv`` is its command line."""

    version: str
    python_version: str | None
    pytorch_version: str | None
    os: str | None
    ram_total: int | None
    ram_free: int | None
    argv: tuple[str, ...]
    devices: tuple[Device, ...]

    @classmethod
    def read(cls, value: object) -> SystemStats:
        """Read the answer of GET /system_stats."""
        document = mapping(value)
        system = mapping(document.get("system"))
        return cls(
            text(system.get("comfyui_version")) or "",
            text(system.get("python_version")),
            text(system.get("pytorch_version")),
            text(system.get("os")),
            whole(system.get("ram_total")),
            whole(system.get("ram_free")),
            texts(system.get("argv")),
            tuple(_device(mapping(each)) for each in sequence(document.get("devices"))),
        )


@dataclass(frozen=True, slots=True)
class Features:
    """What the server can do; ``max_upload_bytes`` bounds uploads and prompts alike."""

    supports_preview_metadata: bool
    max_upload_bytes: int | None
    flags: Mapping[str, JSON]

    @classmethod
    def read(cls, value: object) -> Features:
        """Read the answer of GET /features, or the data of a ``feature_flags`` message."""
        flags = mapping(value)
        return cls(flags.get("supports_preview_metadata") is True, whole(flags.get("max_upload_size")), flags)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model as ComfyUI lists it; ``folder_index`` counts the folders of its category."""

    name: str
    folder_index: int
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class Uploaded:
    """Where an upload was stored: the name may differ from the one that was asked for."""

    name: str
    subfolder: str
    type: str

    @property
    def as_input(self) -> str:
        """The value that a LoadImage node takes."""
        path = f"{self.subfolder}/{self.name}" if self.subfolder else self.name
        return path if self.type == "input" else f"{path} [{self.type}]"


def _device(document: dict[str, JSON]) -> Device:
    return Device(
        text(document.get("name")) or "",
        text(document.get("type")) or "",
        whole(document.get("index")),
        whole(document.get("vram_total")) or 0,
        whole(document.get("vram_free")) or 0,
    )
