"""Numbers read the same whether the server wrote them or the script did."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.web import filters
from backend.web.assets import FRONT_END

SIZES = [0, 1, 1023, 1024, 15_360, 253_755_392, 2**30 - 1, 2**30, 14_291_419_955, 107_374_182_400, 2**40, 3 * 2**41]
SPEEDS = [0, 1, 500, 655_360, 2**20 - 1, 2**20, 53_687_091.2, 2**30]
SECONDS = [0, 0.2, 1, 47.3, 59, 60, 250, 299.5, 599, 600, 601, 3540, 3600, 4320, 86_399, 86_400, 100_000, 1_000_000]
RATIOS = [0.0, 0.001, 0.2999, 0.5, 0.999, 1.0]


@pytest.mark.parametrize(
    ("value", "text"),
    [(14_291_419_955, "13.3 GiB"), (442_381_631_488, "412 GiB"), (253_755_392, "242 MiB"), (512, "512 B")],
)
def test_sizes_have_three_figures_at_most(value: int, text: str) -> None:
    """One decimal below 100 GiB, none above, none for smaller units."""
    assert filters.size(value).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(48, "48 s"), (250, "4 min 10 s"), (812, "14 min"), (4320, "1 h 12 min"), (100_800, "1 d 4 h"), (0.2, "1 s")],
)
def test_times_have_two_units_at_most_and_are_rounded_up(value: float, text: str) -> None:
    """Nobody waits for "0 s", and seconds say nothing above ten minutes."""
    assert filters.duration(value).replace("\u00a0", " ") == text


def test_a_hundred_per_cent_means_done() -> None:
    """Rounded down, and 99 until the file is checked."""
    assert (filters.percent(0.999), filters.percent(1.0), filters.percent(1.0, "completed")) == (99, 99, 100)


@given(st.text(max_size=80))
def test_a_name_may_break_and_never_becomes_markup(name: str) -> None:
    """Whatever a file is called, its characters are shown as characters."""
    shown = str(filters.breakable(name)).replace("<wbr>", "")
    assert not set(shown) & {"<", ">", '"'}


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not on the PATH of this test run")
def test_the_script_writes_the_same_numbers(tmp_path: Path) -> None:
    """Otherwise a number would jump when the first frame arrives."""
    script = (FRONT_END / "static" / "js" / "numbers.js").read_text("utf-8")
    asked = f"""
        const Hearth = {{}};
        {script}
        const {{ size, speed, duration, percent }} = Hearth.numbers;
        console.log(JSON.stringify([{SIZES}.map(size), {SPEEDS}.map(speed), {SECONDS}.map(duration),
          {RATIOS}.map((r) => percent(r, false)), percent(1, true)]));
    """
    program = tmp_path / "numbers.js"
    program.write_text(asked, "utf-8")
    told = json.loads(subprocess.run(["node", program], check=True, capture_output=True, text=True).stdout)
    assert told == [
        [filters.size(value) for value in SIZES],
        [filters.speed(value) for value in SPEEDS],
        [filters.duration(value) for value in SECONDS],
        [filters.percent(value) for value in RATIOS],
        100,
    ]
