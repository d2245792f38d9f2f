"""Sizes to choose from keep the area of the workflow and the steps of its inputs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backend.web.generate_sizes import sizes_of


def _side(role: str, default: Any, *, step: float | None = 8, group: str = "main", **more: Any) -> dict[str, Any]:
    known = {"name": role, "role": role, "kind": "integer", "default": default, "step": step, "group": group}
    return {**known, "minimum": 16, "maximum": 16384, **more}


def _chosen(width: Any, height: Any, **more: Any) -> list[tuple[str, int, int]]:
    sizes = sizes_of([_side("width", width, **more), _side("height", height, **more)])
    return [] if sizes is None else [(size.label, size.width, size.height) for size in sizes.presets]


def test_the_usual_sizes_of_a_model_of_a_megapixel() -> None:
    """The workflow's own first, then the same area in other shapes."""
    assert _chosen(1024, 1024) == [
        ("Square", 1024, 1024),
        ("Portrait", 832, 1256),
        ("Landscape", 1256, 832),
        ("Tall", 768, 1368),
        ("Wide", 1368, 768),
    ]


def test_a_size_of_its_own_stays_one_of_them() -> None:
    """A shape without a name is offered as it was made."""
    assert _chosen(832, 480, step=16)[0] == ("As made", 832, 480)
    assert _chosen(768, 512)[0] == ("Landscape", 768, 512)
    assert [label for label, _, _ in _chosen(768, 512)].count("Landscape") == 1


def test_bounds_and_kinds_are_kept() -> None:
    """What an input does not take is not offered; without two sides of one group there is nothing to choose."""
    assert _chosen(1024, 1024, maximum=1024) == [("Square", 1024, 1024)]
    assert _chosen("1024", 1024) == []
    assert sizes_of([_side("width", 512)]) is None
    assert sizes_of([_side("width", 512), _side("height", 512, group="advanced")]) is None


@given(
    st.integers(2, 512).map(lambda n: n * 8),
    st.integers(2, 512).map(lambda n: n * 8),
    st.sampled_from([1, 2, 8, 16, 32, 64]),
)
@example(16, 24, 8)
def test_every_size_is_in_steps_and_close_to_the_area(width: int, height: int, step: int) -> None:
    """At most a tenth of the area off, in multiples of the step and of what a latent stands for, each size once."""
    presets = _chosen(width, height, step=step)
    assert presets[0][1:] == (width, height)
    assert len({size[1:] for size in presets}) == len(presets)
    for _, across, down in presets[1:]:
        assert across % step == down % step == across % 8 == down % 8 == 0
        assert across * down == pytest.approx(width * height, rel=0.1)
