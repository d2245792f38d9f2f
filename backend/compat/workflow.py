"""A workflow as foreign protocols see it, and values for its inputs, found by what they mean or by their name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from backend.compat.errors import UnusableRequest
from backend.errors import JSON
from backend.generation.workflows import Field, Kind, Role

_TRUE, _FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow of the library.

    Args:
        makes_pictures: It shows or saves an image.
        runs_here: Every node and model that it needs is there.
        is_shipped: It comes with Hearth, so that it means no particular checkpoint.
    """

    id: str
    title: str
    changed_at: datetime
    fields: tuple[Field, ...]
    makes_pictures: bool = True
    runs_here: bool = True
    is_shipped: bool = False

    def role(self, role: Role) -> Field | None:
        """Return the first input with this meaning."""
        return next(self.roles(role), None)

    def roles(self, role: Role) -> Iterator[Field]:
        """List the inputs with this meaning, in their order."""
        return (field for field in self.fields if field.role is role)

    def named(self, name: str) -> Field | None:
        """Return the input called *name*, or the first one that means that."""
        by_name = next((field for field in self.fields if field.name == name), None)
        return by_name or next((field for field in self.fields if field.role.value == name), None)

    @property
    def pictures(self) -> int:
        """How many pictures it takes."""
        return len(list(self.roles(Role.IMAGE)))

    @property
    def takes_mask(self) -> bool:
        """Whether it takes a mask."""
        return self.role(Role.MASK) is not None


class Values:
    """Collect values for the inputs of one workflow."""

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self.inputs: dict[str, JSON] = {}

    def put(self, role: Role, value: JSON) -> bool:
        """Set the input with this meaning; false where the workflow has none, and nothing is set."""
        field = self.workflow.role(role)
        if field is not None:
            self.inputs[field.name] = value
        return field is not None

    def put_size(self, width: int, height: int) -> None:
        """Set width and height, rounded to what the workflow can make; one without such inputs keeps its own size."""
        for role, pixels in ((Role.WIDTH, width), (Role.HEIGHT, height)):
            field = self.workflow.role(role)
            if field is not None:
                step = int(field.step or 1)
                self.inputs[field.name] = max(step, round(pixels / step) * step)

    def put_all(self, role: Role, values: Sequence[JSON]) -> int:
        """Set the inputs with this meaning in their order; return how many values found a place."""
        pairs = list(zip(self.workflow.roles(role), values, strict=False))
        self.inputs |= {field.name: value for field, value in pairs}
        return len(pairs)

    def put_named(self, name: str, value: JSON) -> bool:
        """Set the input called *name*; text is read as a value of its kind, because forms carry nothing else.

        Raises:
            UnusableRequest: The value cannot be meant.
        """
        field = self.workflow.named(name)
        if field is not None:
            self.inputs[field.name] = _read(field, value)
        return field is not None

    def complete(self, *, seeded: bool) -> dict[str, JSON]:
        """Return the values with what nobody chose: a random seed, and a checkpoint that is there.

        Args:
            seeded: The seed is given beside the inputs.
        """
        seed = self.workflow.role(Role.SEED)
        if seed is not None and not seeded:
            self.inputs.setdefault(seed.name, -1)
        checkpoint = self.workflow.role(Role.CHECKPOINT)
        if self.workflow.is_shipped and checkpoint is not None and checkpoint.choices:
            there = checkpoint.default in checkpoint.choices
            self.inputs.setdefault(checkpoint.name, checkpoint.default if there else checkpoint.choices[0])
        return self.inputs

    def scale(self, role: Role, factor: float) -> None:
        """Multiply what the workflow itself would use, within its bounds; rounded, at least 1."""
        field = self.workflow.role(role)
        if field is None or isinstance(field.default, bool) or not isinstance(field.default, (int, float)):
            return
        value = max(1, field.minimum or 1, round(field.default * factor))
        self.inputs[field.name] = int(value if field.maximum is None else min(value, field.maximum))


def _read(field: Field, value: JSON) -> JSON:
    if not isinstance(value, str):
        return value
    text = value.strip()
    try:
        match field.kind:
            case Kind.INTEGER | Kind.SEED:
                return int(text)
            case Kind.NUMBER:
                return float(text)
            case Kind.BOOLEAN:
                return _truth(text.lower())
            case Kind.CHOICE:
                return next((choice for choice in field.choices or () if str(choice) == text), text)
            case _:
                return value
    except ValueError:
        raise UnusableRequest(f"{field.name} cannot be {text[:100]!r}.", field=field.name) from None


def _truth(text: str) -> bool:
    if text not in _TRUE | _FALSE:
        raise ValueError(text)
    return text in _TRUE
