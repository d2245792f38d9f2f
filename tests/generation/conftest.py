"""One simulated ComfyUI and a generation service on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.fakes.comfyui import SimulatedComfyUI
from tests.generation.rig import Rig


@pytest.fixture
def comfyui(tmp_path: Path) -> Iterator[SimulatedComfyUI]:
    """A simulated ComfyUI with one checkpoint."""
    base = tmp_path / "comfyui"
    (base / "models" / "checkpoints").mkdir(parents=True)
    (base / "models" / "checkpoints" / "a.safetensors").write_bytes(b"x")
    with SimulatedComfyUI(base) as simulated:
        yield simulated


@pytest.fixture
async def rig(anyio_backend: object, tmp_path: Path, comfyui: SimulatedComfyUI) -> AsyncIterator[Rig]:
    """A generation service on it, up."""
    async with Rig(tmp_path / "hearth", [comfyui.url]) as made:
        await made.up()
        yield made
