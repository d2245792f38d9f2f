"""A Hearth in front of a simulated ComfyUI, for every door."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from tests.compat.house import House, open_house

_IMAGE = {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}}
_FAIL = {"class_type": "TestFail", "inputs": {"image": ["1", 0], "message": "Allocation failed", "kind": "OOM"}}
_SAVE = {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}}
_TEXT = {"class_type": "TestTextProgress", "inputs": {"text": "no picture"}, "_meta": {"title": "[input] Text"}}
# What a person may have in the library beside the shipped workflows.
OWN = {"hungry": {"1": _IMAGE, "2": _FAIL, "3": _SAVE}, "words": {"1": _TEXT}}


@pytest.fixture
def house(make_app: Callable[..., FastAPI], workspace: Path, password: str) -> Iterator[House]:
    """A Hearth that listens, with a ComfyUI behind it."""
    with open_house(make_app, workspace, password, OWN) as house:
        yield house
