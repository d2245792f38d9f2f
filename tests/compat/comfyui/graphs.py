"""Graphs that these clients send."""

from __future__ import annotations

from typing import Any


def save(colour: int = 1, prefix: str = "x") -> dict[str, Any]:
    """One image of one colour, saved."""
    return {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": colour}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": prefix}},
    }


def slow(seed: int = 1, steps: int = 4, seconds: float = 0.2) -> dict[str, Any]:
    """An image in steps with previews, shown and not kept."""
    inputs = {"steps": steps, "seconds": seconds, "previews": True, "seed": seed}
    return {
        "1": {"class_type": "TestSlowProgress", "inputs": inputs},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }
