"""A Hearth with a simulated ComfyUI and a few workflows in its library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.fakes.comfyui import SimulatedComfyUI
from tests.generation import graphs

SLOW = {"seconds": 30.0, "steps": 60, "previews": True}


@contextmanager
def simulated(base: Path) -> Iterator[SimulatedComfyUI]:
    """Run one with a checkpoint."""
    (base / "models" / "checkpoints").mkdir(parents=True)
    (base / "models" / "checkpoints" / "a.safetensors").write_bytes(b"x")
    with SimulatedComfyUI(base) as server:
        yield server


def documents() -> dict[str, dict[str, Any]]:
    """Return workflows by name: quick with typed inputs, slow with previews, one that fails, one that lacks things."""
    sample = graphs.sample("a.safetensors")
    sample["2"]["_meta"] = {"title": "Prompt"}
    lacking = graphs.sample("gone.safetensors")
    lacking["9"] = {"class_type": "NobodyHasThis", "inputs": {"images": ["5", 0]}}
    picture = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "none.png"}},
        "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
        "3": graphs.save("2", "inverted"),
    }
    return {
        "Sample": sample,
        "Slow": graphs.slow(seconds=3.0, steps=12, previews=True),
        "Endless": graphs.slow(**SLOW),
        "Broken": graphs.fail("ValueError"),
        "Lacking": lacking,
        "Invert": picture,
    }
