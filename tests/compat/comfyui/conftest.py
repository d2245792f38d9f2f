"""Two people at the drop-in, who know nothing of each other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.compat.comfyui.speaker import Speaker
from tests.compat.house import House


@pytest.fixture
def base(house: House) -> str:
    """Where clients are pointed at instead of ComfyUI."""
    return f"{house.url}/comfyui"


@pytest.fixture
def ada(house: House, base: str) -> Iterator[Speaker]:
    """Somebody with a key that may generate, listening."""
    with Speaker(base, house.key) as speaker:
        yield speaker


@pytest.fixture
def bob(house: House, base: str) -> Iterator[Speaker]:
    """Somebody else with such a key, listening."""
    with Speaker(base, house.new_key("generate")) as speaker:
        yield speaker


@pytest.fixture
def owner(house: House, base: str) -> Iterator[Speaker]:
    """Who manages this Hearth, listening."""
    with Speaker(base, house.token) as speaker:
        yield speaker
