"""Card, driver and PyTorch's build are held against each other, and the image that fits is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.system.checks import CheckState
from backend.system.checks.graphics import TorchBuild, cuda_builds, judge, torch_build, version
from backend.system.nvidia import Card, Cards, read_cards

RTX_4090 = Card("NVIDIA GeForce RTX 4090", "580.95.05", "8.9")
RTX_5090 = Card("NVIDIA GeForce RTX 5090", "580.95.05", "12.0")
GTX_1080 = Card("NVIDIA GeForce GTX 1080", "580.95.05", "6.1")
OLD_DRIVER = Card("NVIDIA GeForce RTX 3090", "535.183.01", "8.6")
OLDER_DRIVER = Card("NVIDIA GeForce RTX 3090", "470.223.02", "8.6")
CU124, CU128, CU130 = (
    TorchBuild("2.6.0+cu124", "12.4"),
    TorchBuild("2.9.1+cu128", "12.8"),
    TorchBuild("2.9.1+cu130", "13.0"),
)

FITS = [
    (RTX_4090, CU130, CheckState.OK, ""),
    (RTX_4090, CU124, CheckState.OK, ""),
    (RTX_5090, CU128, CheckState.OK, ""),
    (RTX_5090, CU124, CheckState.PROBLEM, "13-0"),
    (GTX_1080, CU130, CheckState.PROBLEM, "12-6"),
    (GTX_1080, CU124, CheckState.OK, ""),
    (OLD_DRIVER, CU130, CheckState.PROBLEM, "12-9"),
    (OLD_DRIVER, CU128, CheckState.OK, ""),
    (OLDER_DRIVER, CU130, CheckState.PROBLEM, ""),
    (RTX_4090, TorchBuild("2.9.1+cpu", None), CheckState.WARNING, "13-0"),
    (Card("NVIDIA B200", "570.86.15", "10.0"), CU128, CheckState.OK, ""),
    (Card("NVIDIA GeForce RTX 5090", "550.54.14", "12.0"), CU128, CheckState.PROBLEM, ""),
    (Card("Tesla K80", "470.223.02", "3.7"), CU124, CheckState.PROBLEM, ""),
    (Card("NVIDIA L4", "550.90.07", ""), CU128, CheckState.OK, ""),
]


@pytest.mark.parametrize(("card", "torch", "state", "tag"), FITS, ids=lambda value: getattr(value, "name", str(value)))
def test_each_pair_is_judged_and_the_image_to_use_named(
    card: Card, torch: TorchBuild, state: CheckState, tag: str
) -> None:
    """The newest build that serves both card and driver; none is named where none does."""
    [check] = judge(Cards((card,)), torch)

    assert check.state is state
    assert card.name in check.message
    assert check.fix == (f"hearth/comfyui:standard-{tag}" if tag else "")
    assert bool(check.hint) == (state is not CheckState.OK)


def test_a_build_for_cuda_without_a_card_says_how_to_hand_one_in() -> None:
    """And one for the processor does not mind."""
    [missing] = judge(Cards((), "nvidia-smi is not installed."), CU130)
    [content] = judge(Cards((), "nvidia-smi is not installed."), TorchBuild("2.9.1+cpu", None))
    [alone] = judge(Cards((RTX_4090,)), None)
    [amd] = judge(Cards(()), TorchBuild("2.9.1+rocm6.4", None, "6.4"))

    assert (missing.state, missing.fix) == (CheckState.WARNING, "docker run --gpus all …")
    assert {content.state, alone.state, amd.state} == {CheckState.OK}


def test_the_table_is_in_order() -> None:
    """Newest first, every build with its cards, and drivers that compare."""
    builds, needed = cuda_builds()

    assert [build.tag for build in builds] == ["13-0", "12-9", "12-8", "12-6", "12-5", "12-4"]
    assert all(build.capabilities and build.driver >= (525,) for build in builds)
    assert needed[(12, 0)] == version("570.26")


def test_pytorch_is_read_without_being_loaded(tmp_path: Path) -> None:
    """As its wheels write it, with and without annotations; the first environment that has one counts."""
    folder = tmp_path / "venv" / "lib" / "python3.13" / "site-packages" / "torch"
    folder.mkdir(parents=True)
    text = "from typing import Optional\n__version__ = '2.9.1+cu130'\ndebug = False\ncuda: Optional[str] = '13.0'\nhip: Optional[str] = None\n"
    (folder / "version.py").write_text(text)

    assert torch_build([tmp_path / "none", tmp_path / "venv"]) == TorchBuild("2.9.1+cu130", "13.0")
    assert torch_build([tmp_path / "none"]) is None
    (folder / "version.py").write_text("__version__ = '2.13.0+cpu'\ncuda: str | None = None\n")
    assert torch_build([tmp_path / "venv"]) == TorchBuild("2.13.0+cpu", None)


def smi(folder: Path, script: str) -> str:
    program = folder / f"nvidia-smi-{len(list(folder.iterdir()))}"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


def test_nvidia_smi_is_understood_old_and_new(tmp_path: Path) -> None:
    """Two cards; a driver that does not know capabilities; one that cannot be reached; none at all."""
    new = smi(tmp_path, 'echo "NVIDIA L4, 550.90.07, 8.9"; echo "NVIDIA T4, 550.90.07, 7.5"')
    old = smi(
        tmp_path, 'case "$1" in *compute_cap*) echo "Field is not valid"; exit 2;; esac; echo "Tesla K80, 390.157"'
    )
    broken = smi(tmp_path, 'echo "Failed to initialize NVML: Driver/library version mismatch"; exit 18')

    assert read_cards(new).cards == (Card("NVIDIA L4", "550.90.07", "8.9"), Card("NVIDIA T4", "550.90.07", "7.5"))
    assert read_cards(old).cards == (Card("Tesla K80", "390.157"),)
    assert "version mismatch" in read_cards(broken).reason
    assert "not installed" in read_cards("no-such-nvidia-smi").reason
