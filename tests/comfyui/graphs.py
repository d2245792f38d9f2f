"""Graphs that tests send."""

from __future__ import annotations

from typing import Any

from backend.comfyui import Graph


def save(color: int = 1, prefix: str = "test/empty") -> Graph:
    """One image of one colour, saved."""
    return Graph.parse(
        {
            "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": color}},
            "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": prefix}},
        }
    )


def slow(seed: int = 1, *, steps: int = 5, seconds: float = 0.1, previews: bool = True) -> Graph:
    """An image in steps, previewed; its first node has a title."""
    return Graph.parse(
        {
            "1": {
                "class_type": "TestSlowProgress",
                "inputs": {"steps": steps, "seconds": seconds, "previews": previews, "seed": seed},
                "_meta": {"title": "Dream slowly"},
            },
            "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
        }
    )


def failing(kind: str, message: str = "boom") -> Graph:
    """A node that raises."""
    return Graph.parse(
        {
            "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}},
            "2": {
                "class_type": "TestFail",
                "inputs": {"image": ["1", 0], "message": message, "kind": kind},
                "_meta": {"title": "Break on purpose"},
            },
            "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "test/fail"}},
        }
    )


def blocking(seconds: float = 0.4) -> Graph:
    """A node that does not look whether it should stop."""
    return Graph.parse(
        {
            "1": {"class_type": "TestBlockingSleep", "inputs": {"seconds": seconds, "seed": 1}},
            "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
        }
    )


def single(class_type: str, **inputs: Any) -> Graph:
    """One node."""
    return Graph.parse({"1": {"class_type": class_type, "inputs": inputs}})
