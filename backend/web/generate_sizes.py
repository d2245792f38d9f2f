"""Sizes to choose from: of the area that a workflow is made for, in steps that its inputs take."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from backend.web.generate_contexts import Size, Sizes

Inputs = Sequence[Mapping[str, Any]]  # Any: fields as ``backend.generation.workflows.Field.as_dict`` shapes them

_SHAPES = (("Square", 1, 1), ("Portrait", 2, 3), ("Landscape", 3, 2), ("Tall", 9, 16), ("Wide", 16, 9))
_LATENT = 8  # pixels of a side that one value of a latent picture stands for; models are made for whole ones
_MAX_DEVIATION = 0.1  # of the area, where steps are coarse


def sizes_of(inputs: Inputs) -> Sizes | None:
    """Return the sizes for a workflow; None when it has no pair of width and height of whole numbers."""
    width = _side(inputs, "width")
    height = _side(inputs, "height")
    if width is None or height is None or width["group"] != height["group"]:
        return None
    own = Size("As made", width["default"], height["default"])
    named = next((label for label, across, down in _SHAPES if own.width * down == own.height * across), own.label)
    presets = {(own.width, own.height): Size(named, own.width, own.height)}
    for size in _shaped(own, width, height):
        if size.label != named:
            presets.setdefault((size.width, size.height), size)  # where steps are coarse, two shapes are one
    return Sizes(width["name"], height["name"], [*presets.values()])


def _side(inputs: Inputs, role: str) -> Mapping[str, Any] | None:
    found = next((field for field in inputs if field["role"] == role and field["kind"] == "integer"), None)
    return found if found is not None and isinstance(found["default"], int) and found["default"] > 0 else None


def _shaped(own: Size, width: Mapping[str, Any], height: Mapping[str, Any]) -> Iterator[Size]:
    area = own.width * own.height
    step = max(_step(width, own), _step(height, own))
    for label, across, down in _SHAPES:
        longer = _rounded(math.sqrt(area * max(across, down) / min(across, down)), step)
        shorter = _rounded(area / longer, step)
        sides = (longer, shorter) if across >= down else (shorter, longer)
        is_close = abs(longer * shorter / area - 1) <= _MAX_DEVIATION
        if is_close and _takes(width, sides[0]) and _takes(height, sides[1]):
            yield Size(label, *sides)


def _step(field: Mapping[str, Any], own: Size) -> int:
    """Return the step of a side; the workflow's own size says whether its inputs count from zero in steps of latents."""
    step = int(field["step"] or 1)
    is_latent = own.width % _LATENT == 0 and own.height % _LATENT == 0
    return math.lcm(step, _LATENT) if is_latent else step


def _rounded(side: float, step: int) -> int:
    return max(step, round(side / step) * step)


def _takes(field: Mapping[str, Any], side: int) -> bool:
    return (field["minimum"] or 0) <= side <= (field["maximum"] or math.inf)
