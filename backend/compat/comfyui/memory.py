"""What nodes have shown, by job: heard on a socket or read from ComfyUI's history, kept for those who ask again.

A cache only. What was never heard is read again, and what ComfyUI has forgotten is told from Hearth's own results.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from backend.comfyui.outputs import OutputFile, node_output
from backend.comfyui.shapes import mapping, sequence
from backend.errors import JSON

_JOBS = 2000


@dataclass(slots=True)
class Said:
    """What ComfyUI said about one execution; ``document`` is its history record, None while that is not known."""

    outputs: dict[str, Mapping[str, JSON]] = field(default_factory=dict[str, Mapping[str, JSON]])
    document: Mapping[str, JSON] | None = None


class Memory:
    """One of these per application; ``turn`` lets one upload at a time be held in memory whole."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self._jobs: OrderedDict[str, Said] = OrderedDict()

    @classmethod
    def of(cls, connection: HTTPConnection) -> Memory:
        """Return that of the application which serves *connection*."""
        state = connection.app.state
        if not hasattr(state, "comfyui_memory"):
            state.comfyui_memory = cls()
        return state.comfyui_memory

    def said(self, job_id: str) -> Said:
        """Return what is known of a job, to be added to."""
        said = self._jobs.setdefault(job_id, Said())
        self._jobs.move_to_end(job_id)
        if len(self._jobs) > _JOBS:
            self._jobs.popitem(last=False)
        return said


def marked(job_id: str, output: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return the output of a node with the job's id before the subfolder of each file.

    So a client that asks for a file tells whose it is, though names repeat between backends and users.
    """
    return {key: [_marked(job_id, each) for each in values] if isinstance(values, list) else values
            for key, values in output.items()}  # fmt: skip


def _marked(job_id: str, value: JSON) -> JSON:
    about = mapping(value)
    if "filename" not in about or about.get("type") not in ("output", "temp"):
        return value
    below = about.get("subfolder") or ""
    return {**about, "subfolder": f"{job_id}/{below}" if below else job_id}


def numbered_files(outputs: Mapping[str, Mapping[str, JSON]]) -> Iterator[tuple[str, OutputFile]]:
    """Walk the files that nodes showed, each with the key that its result has within the take."""
    for node_id, document in outputs.items():
        for number, file in enumerate(node_output(node_id, document).files):
            yield f"{node_id}/{file.key}/{number}", file


def outputs_of(document: Mapping[str, JSON]) -> dict[str, Mapping[str, JSON]]:
    """Return the outputs in a history record by node."""
    return {node: mapping(value) for node, value in mapping(document.get("outputs")).items() if mapping(value)}


def messages_of(document: Mapping[str, JSON]) -> list[JSON]:
    """Return the messages in a history record."""
    return sequence(mapping(document.get("status")).get("messages"))
