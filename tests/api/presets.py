"""A small catalogue for the tests of presets over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from tests.presets.shelf import definition, file, weights, write_catalog

__all__ = ["installed", "make_app"]  # the fixtures

GOOD = weights(b"good")
DEADLINE_S = 20
CATALOG = (
    definition("flux", file("flux.safetensors", "diffusion_models", size_bytes=23, gated=True), name="FLUX",
               tags=["fp8"], aliases=["FLUX_DEV_BASIC"]),
    definition("sd15", file("sd15.safetensors", content=GOOD), file("vae.safetensors", "vae"), name="SD 1.5"),
    definition("wan", file("vae.safetensors", "vae"), name="Wan", category="video"),
)  # fmt: skip
RETIRED = {"OLD": {"reason": "Its files are gone.", "successor": "sd15"}}


@pytest.fixture
def make_app(make_app: Callable[..., FastAPI], tmp_path: Path) -> Callable[..., FastAPI]:
    """Applications whose shipped catalogue is the one above."""
    catalog = write_catalog(tmp_path / "catalog", *CATALOG, version="2026.1", retired=RETIRED)
    return lambda **settings: make_app(preset_catalog_dir=catalog, **settings)


def put(workspace: Path, *places: str) -> None:
    for place in places:
        path = workspace / "ComfyUI" / "models" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(GOOD)


@pytest.fixture
def installed(workspace: Path) -> None:
    """SD 1.5 lies there whole, and with it everything that Wan needs."""
    put(workspace, "checkpoints/sd15.safetensors", "vae/vae.safetensors")


async def refused(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["message"]
    assert error["hint"]
    return error
