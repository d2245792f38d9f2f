"""``docker buildx bake`` knows every image, and says of each what it is made of. Nothing is built here."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from scripts.docs.images import torch_of_builds
from tests.images.build import VARIANTS, plan
from tests.images.engine import Engine

_ROOT = Path(__file__).parents[2]
_CUDA = json.loads((_ROOT / "config" / "cuda.json").read_text("utf-8"))["builds"]


@pytest.fixture(scope="module")
def targets(buildx: Engine) -> dict[str, Any]:
    """Every target there is."""
    return plan(buildx, "all")["target"]


def test_every_variant_is_there_for_every_cuda_and_without(targets: dict[str, Any]) -> None:
    """Named as in the roadmap, ``minimal-12-6``."""
    wanted = {f"{variant}-{key}" for variant in VARIANTS for key in (*_CUDA, "cpu", "rocm-6-4")}

    assert {"12-4", "12-5", "12-6", "12-8", "12-9", "13-0"} == set(_CUDA)
    assert set(targets) == wanted


def test_the_wheels_of_a_build_are_those_whose_cards_it_says_it_serves(targets: dict[str, Any]) -> None:
    """config/cuda.json advises users, docker-bake.hcl builds: they speak of the same wheels."""
    for key, facts in _CUDA.items():
        assert torch_of_builds()[key][0] == facts["wheels"]
        for variant in VARIANTS:
            arguments = targets[f"{variant}-{key}"]["args"]
            assert arguments["TORCH_INDEX"].endswith(f"/whl/{facts['wheels']}")
            assert re.fullmatch(r"torch==[\d.]+ torchvision==[\d.]+ torchaudio==[\d.]+", arguments["TORCH_SPEC"])


def test_a_target_says_what_it_is(targets: dict[str, Any]) -> None:
    """In its arguments, tag and labels."""
    target = targets["full-12-8"]

    assert target["target"] == "image"
    assert target["args"]["VARIANT"] == "full"
    assert target["args"]["HEARTH_CUDA"] == "12-8"
    assert target["tags"] == ["hearth/comfyui:full-12-8"]
    assert target["labels"]["hearth.variant"] == "full"
    assert target["labels"]["org.opencontainers.image.licenses"] == "MIT"


def test_a_release_has_its_version_in_the_tags_and_papers_with_it(buildx: Engine) -> None:
    """A bill of materials and the provenance, which an everyday build leaves out."""
    released = plan(buildx, "minimal-cpu", VERSION="1.2.3", RELEASE="true", IMAGE="example.org/me/comfyui")["target"][
        "minimal-cpu"
    ]

    assert released["tags"] == ["example.org/me/comfyui:minimal-cpu", "example.org/me/comfyui:1.2.3-minimal-cpu"]
    assert "type=sbom" in released["attest"]
    assert "attest" not in plan(buildx, "minimal-cpu")["target"]["minimal-cpu"]


def test_folders_stand_for_what_would_be_fetched(buildx: Engine) -> None:
    """So that a machine without the internet builds."""
    given = plan(
        buildx, "dev-cpu", COMFYUI_SRC="/src", WHEELS="/wheels", LOCKS="/locks", TORCH_SPEC="none", CODE_SERVER="none"
    )
    target = given["target"]["dev-cpu"]

    assert target["contexts"] == {"comfyui-src": "/src", "wheels": "/wheels", "locks": "/locks"}
    assert target["args"]["TORCH_SPEC"] == ""
    assert target["args"]["CODE_SERVER"] == "none"
    assert "contexts" not in plan(buildx, "dev-cpu")["target"]["dev-cpu"]


@pytest.mark.parametrize(
    ("group", "number"),
    [("cpu", 4), ("minimal", 8), ("standard", 8), ("full", 8), ("dev", 8), ("all", 32), ("default", 1)],
)
def test_groups_name_what_belongs_together(buildx: Engine, group: str, number: int) -> None:
    """Of one variant, of the CPU, of all."""
    assert len(plan(buildx, group)["target"]) == number


def test_nodes_and_packages_are_pinned() -> None:
    """Nodes by commit, packages by hash; and no variant repeats what the one below it has."""
    for variant in ("standard", "full"):
        lines = (_ROOT / "config" / "nodes" / f"{variant}.txt").read_text("utf-8").splitlines()
        pins = [line for line in lines if line and not line.startswith("#")]
        assert pins
        assert all(re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+ [0-9a-f]{40}", pin) for pin in pins)
    seen: set[str] = set()
    for variant in VARIANTS:
        text = (_ROOT / "config" / "locks" / f"{variant}.txt").read_text("utf-8")
        names = set(re.findall(r"^([a-z0-9][a-z0-9._-]*)(?===)", text, re.MULTILINE))
        assert names
        assert not names & seen
        assert not names & {"torch", "torchvision", "torchaudio", "triton"}
        assert not re.search(r"^[a-z0-9][^\n\\]*$", text, re.MULTILINE), "a package without a hash"
        seen |= names
