"""The checks tell what is wrong with an installation and how to mend it, and never make it worse."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backend.system import Check, CheckState, Installation, run_checks


@pytest.fixture
def sound(workspace: Path) -> Installation:
    """An installation without a fault."""
    for folder in ("config", "ComfyUI/models"):
        (workspace / folder).mkdir(parents=True)
    for file in ("ComfyUI/extra_model_paths.yaml", "manifest.json"):
        (workspace / file).touch()
    return Installation(
        workspace=workspace,
        config_dir=workspace / "config",
        model_roots=(workspace / "ComfyUI" / "models",),
        extra_model_paths=workspace / "ComfyUI" / "extra_model_paths.yaml",
        reserve_bytes=0,
        weak_password=False,
        token_hosts=("huggingface.co",),
        catalog_size=140,
        catalog_warnings=(),
        front_end=workspace / "manifest.json",
    )


def findings(installation: Installation, name: str) -> list[Check]:
    return [check for check in run_checks(installation) if check.name == name]


def test_a_sound_installation_has_nothing_to_do(sound: Installation) -> None:
    """Every check answers, none of them complains, and nothing was changed."""
    before = sorted(sound.workspace.rglob("*"))
    found = run_checks(sound)

    assert {check.state for check in found} == {CheckState.OK}
    assert {check.hint for check in found} == {""}
    assert {check.name for check in found} == {
        "python", "workspace", "space", "model_folders", "extra_model_paths", "password", "tokens", "catalogue", "front_end",
        "owner", "file_system", "clock", "memory", "shared_memory", "gpu",
    }  # fmt: skip
    assert sorted(sound.workspace.rglob("*")) == before


FAULTS: list[tuple[str, CheckState, Callable[[Installation], dict[str, Any]]]] = [
    ("workspace", CheckState.PROBLEM, lambda at: {"config_dir": at.workspace / "gone"}),
    ("workspace", CheckState.PROBLEM, lambda _: {"workspace": Path("/proc")}),
    ("space", CheckState.WARNING, lambda _: {"reserve_bytes": 2**62}),
    ("model_folders", CheckState.WARNING, lambda at: {"model_roots": (*at.model_roots, Path("/unmounted"))}),
    ("extra_model_paths", CheckState.WARNING, lambda at: {"extra_model_paths": at.workspace / "gone.yaml"}),
    ("password", CheckState.WARNING, lambda _: {"weak_password": True}),
    ("tokens", CheckState.OK, lambda _: {"token_hosts": ()}),
    ("catalogue", CheckState.WARNING, lambda _: {"catalog_warnings": ("my.json: not JSON",)}),
    ("front_end", CheckState.PROBLEM, lambda at: {"front_end": at.workspace / "gone.json"}),
]


@pytest.mark.parametrize(("name", "state", "fault"), FAULTS)
def test_each_fault_is_told_with_its_cure(
    sound: Installation, name: str, state: CheckState, fault: Callable[[Installation], dict[str, Any]]
) -> None:
    """The check that is responsible says so with a hint, and no other check is disturbed by it."""
    installation = dataclasses.replace(sound, **fault(sound))
    told = findings(installation, name)[-1]

    assert told.state is state
    assert told.hint
    others = {check.name for check in run_checks(installation) if check.state is not CheckState.OK} - {name}
    # /proc has no space either, and a machine under test may have little memory.
    assert others <= {"space", "memory", "owner", "file_system"}


def test_the_volume_of_several_folders_is_told_once(sound: Installation) -> None:
    """In the unit that people read."""
    (told,) = findings(sound, "space")

    assert re.match(rf"\d+(\.\d)?\s[KMGT]iB free on the volume of {re.escape(str(sound.workspace))}\.", told.message)


def test_checks_survive_an_installation_that_is_not_there() -> None:
    """Even then each of them answers instead of raising."""
    gone = Path("/nonexistent")
    installation = Installation(gone, gone / "config", (gone,), gone / "x.yaml", 0, True, (), 0, (), gone / "m.json")

    assert {check.name for check in run_checks(installation)} >= {"workspace", "model_folders", "front_end"}
