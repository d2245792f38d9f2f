"""One input of a workflow, as a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from backend.errors import JSON


class Kind(StrEnum):
    """What sort of value a field takes, and so which control shows it."""

    TEXT = "text"
    LONG_TEXT = "long_text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    SEED = "seed"
    IMAGE = "image"
    MASK = "mask"
    AUDIO = "audio"
    VIDEO = "video"
    FILE = "file"


UPLOADS = frozenset({Kind.IMAGE, Kind.MASK, Kind.AUDIO, Kind.VIDEO, Kind.FILE})


class Role(StrEnum):
    """What a field means to programs that know nothing else of the workflow; the value is the usual name of the field."""

    PROMPT = "prompt"
    NEGATIVE_PROMPT = "negative_prompt"
    SEED = "seed"
    WIDTH = "width"
    HEIGHT = "height"
    LENGTH = "length"
    FPS = "fps"
    BATCH_SIZE = "batch_size"
    STEPS = "steps"
    CFG = "cfg"
    GUIDANCE = "guidance"
    SAMPLER = "sampler"
    SCHEDULER = "scheduler"
    DENOISE = "denoise"
    CHECKPOINT = "checkpoint"
    MODEL = "model"
    LORA = "lora"
    LORA_STRENGTH = "lora_strength"
    VAE = "vae"
    TEXT_ENCODER = "text_encoder"
    CONTROLNET = "controlnet"
    UPSCALE_MODEL = "upscale_model"
    IMAGE = "image"
    MASK = "mask"
    AUDIO = "audio"
    VIDEO = "video"
    FILE = "file"
    OTHER = "other"


class Group(StrEnum):
    """Where a form shows a field: at once, or behind "more"."""

    MAIN = "main"
    ADVANCED = "advanced"


@dataclass(frozen=True, slots=True)
class Target:
    """One input of one node that a field sets."""

    node_id: str
    input: str


@dataclass(frozen=True, slots=True)
class Field:
    """One input of a workflow.

    ``minimum``, ``maximum`` and ``step`` are in the unit of the value (pixels, frames, steps); ``choices`` is None where
    any value is taken. ``required``: the default cannot work here, such as a picture that is not in the input folder.
    ``draws``: of ``{red|blue}`` in the text one is drawn for each run.
    """

    name: str
    label: str
    kind: Kind
    role: Role
    default: JSON
    targets: tuple[Target, ...]
    group: Group = Group.ADVANCED
    minimum: int | float | None = None
    maximum: int | float | None = None
    step: int | float | None = None
    choices: tuple[JSON, ...] | None = None
    required: bool = False
    draws: bool = False
    description: str = field(default="", compare=False)

    @property
    def node_id(self) -> str:
        """The first node that the field sets."""
        return self.targets[0].node_id

    @property
    def input_name(self) -> str:
        """The input of that node."""
        return self.targets[0].input

    def as_dict(self) -> dict[str, JSON]:
        """Return plain JSON values."""
        return {
            "name": self.name,
            "label": self.label,
            "kind": self.kind.value,
            "role": self.role.value,
            "group": self.group.value,
            "default": self.default,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "step": self.step,
            "choices": None if self.choices is None else list(self.choices),
            "required": self.required,
            "draws": self.draws,
            "description": self.description,
            "targets": [{"node_id": target.node_id, "input": target.input} for target in self.targets],
        }
