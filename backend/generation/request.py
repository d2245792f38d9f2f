"""What somebody asks for, and the key under which the same request is the same job."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from backend.errors import JSON
from backend.generation.job import GraphDocument

Source: TypeAlias = Literal["api", "web", "comfyui", "openai", "sdapi"]

MAX_TAKES = 64
MAX_PRIORITY = 100


@dataclass(frozen=True, slots=True)
class NewGeneration:
    """A request for one job: exactly one of ``workflow_id``, ``prompt`` and ``workflow`` says what to run.

    Args:
        inputs: Values for the workflow's typed inputs.
        prompt: A graph in ComfyUI's API format.
        workflow: A document in the format of ComfyUI's editor.
        n: Takes, each with the next seed; 1 to 64.
        seed: Of the first take; left out, that of the graph counts when n is 1, else a random one.
        priority: -100 to 100; higher goes first.
        extra_data: Passed on to ComfyUI with the graph.
        id: A canonical UUID that the client chose for the job; left out, one is made.
    """

    workflow_id: str | None = None
    inputs: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    prompt: GraphDocument | None = field(default=None, repr=False)
    workflow: GraphDocument | None = field(default=None, repr=False)
    n: int = 1
    seed: int | None = None
    priority: int = 0
    title: str | None = None
    webhook_url: str | None = None
    idempotency_key: str | None = None
    extra_data: Mapping[str, JSON] = field(default_factory=dict[str, JSON], repr=False)
    source: Source = "api"
    id: str | None = None

    def fingerprint(self) -> str:
        """Return a digest of everything but the key, so that a reused key with another request is found out."""
        told = {
            "workflow_id": self.workflow_id, "inputs": self.inputs, "prompt": self.prompt, "workflow": self.workflow,
            "n": self.n, "seed": self.seed, "priority": self.priority, "webhook_url": self.webhook_url,
            "extra_data": self.extra_data, "source": self.source,
        }  # fmt: skip
        return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request made ready for ComfyUI: the graph of one take, and what people see of it."""

    graph: GraphDocument = field(repr=False)
    title: str
    workflow_id: str | None = None
    version: str | None = None
    inputs: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    seed: int | None = None
