"""Two doors to one stage: a hub, a catalogue of real presets with small files, and with or without a running Hearth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.rig import CommandLine
from tests.fakes.hub import HuggingFaceHub
from tests.fakes.model_host import Content, Slow
from tests.roadmap import shelve

SIZE = 2_000_000


@pytest.fixture
def contents(tmp_path: Path, hugging_face: HuggingFaceHub) -> dict[str, Content]:
    """What the catalogue's files hold: a preset that comes at once and one that takes minutes."""
    folder = tmp_path / "catalogue"
    contents = shelve(folder, hugging_face, "ltx-video-2b", size=SIZE)
    shelve(folder, hugging_face, "ltx-2", size=40_000_000, faults=(Slow(0.05e6),))
    return contents


@pytest.fixture
def hearth(tmp_path: Path, hugging_face: HuggingFaceHub, contents: dict[str, Content]) -> CommandLine:
    """Commands on a workspace on which nobody works."""
    environ = {"HF_ENDPOINT": hugging_face.endpoint, "PRESET_CATALOG_DIR": str(tmp_path / "catalogue")}
    return CommandLine(tmp_path / "workspace", environ)


@pytest.fixture(params=["served", "alone"])
def command(request: pytest.FixtureRequest, hearth: CommandLine) -> Iterator[CommandLine]:
    """The same commands, once beside a running Hearth and once without one."""
    if request.param == "alone":
        yield hearth
        return
    with hearth.serving():
        yield hearth
