"""A folder of definitions: one bad file costs only itself, and a catalogue is judged as a whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backend.presets.definitions import (
    MAX_FILE_BYTES,
    Definitions,
    address_of,
    definition_files,
    find_problems,
    read_folder,
    require_sound,
    same_content,
)
from backend.presets.errors import InvalidPreset
from backend.presets.preset import Origin, PresetFile
from tests.presets.shelf import HOST, definition, file, write_catalog


def read(tmp_path: Path, *definitions: dict[str, Any], **aliases: Any) -> Definitions:
    return read_folder(write_catalog(tmp_path, *definitions, **aliases), Origin.SHIPPED)


def test_a_missing_folder_defines_nothing(tmp_path: Path):
    """A workspace without own presets is no problem."""
    assert read_folder(tmp_path / "none", Origin.USER) == Definitions()


def test_a_bad_file_costs_only_itself(tmp_path: Path):
    """Not JSON, wrong form, too large, unreadable, taken id: a sentence each, and the good one stays."""
    write_catalog(tmp_path, definition("good"))
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "huge.json").write_bytes(b" " * (MAX_FILE_BYTES + 1))
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "twin.json").write_text(json.dumps(definition("good")))
    (tmp_path / ".hidden.json").write_text("{")
    (tmp_path / "schema.json").write_text("{}")
    (tmp_path / "notes.txt").write_text("no JSON")
    found = read_folder(tmp_path, Origin.USER)
    assert [preset.id for preset in found.presets] == ["good"]
    assert sorted(problem.split(":")[0] for problem in found.problems) == [
        "broken.json", "folder.json", "huge.json", "twin.json",
    ]  # fmt: skip
    assert found.sources["good"] == tmp_path / "image" / "good.json"


def test_hidden_files_and_the_schema_are_no_definitions(tmp_path: Path):
    """Editors leave hidden copies; they define nothing."""
    for name in (".a.json", "schema.json", "a.json", "b/c.json", "b/.d.json", ".e/f.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    assert [path.relative_to(tmp_path).as_posix() for path in definition_files(tmp_path)] == ["a.json", "b/c.json"]


def test_a_shipped_file_stands_where_it_belongs(tmp_path: Path):
    """Shipped files are named by category and id, so that people find them."""
    (tmp_path / "video").mkdir()
    (tmp_path / "video" / "x.json").write_text(json.dumps(definition("a-preset")))
    assert "belongs at image/a-preset.json" in read_folder(tmp_path, Origin.SHIPPED).problems[0]


@pytest.mark.parametrize(
    ("definitions", "retired", "complaint"),
    [
        ([definition("a", aliases=["b"]), definition("b")], {}, "is the id of a preset"),
        ([definition("a", aliases=["OLD"]), definition("b", aliases=["old"])], {}, "already leads to a"),
        ([definition("a", aliases=["OLD"])], {"old": {"reason": "gone"}}, "is retired, yet it leads to a"),
        ([definition("a")], {"old": {"reason": "gone", "successor": "b"}}, "b, which does not exist"),
        (
            [definition("a", file("x.bin", url=f"{HOST}/1")), definition("b", file("X.bin", url=f"{HOST}/2"))],
            {},
            "has two contents",
        ),
    ],
)
def test_a_contradiction_is_found(tmp_path: Path, definitions: Any, retired: Any, complaint: str):
    """Every id leads to one thing, every place on disk has one content."""
    found = read(tmp_path, *definitions, version="1", retired=retired)
    assert complaint in " ".join(find_problems(found))
    with pytest.raises(InvalidPreset):
        require_sound(found)


def test_a_sound_catalogue_has_no_problems(tmp_path: Path):
    """Two presets may share a file, at one address or at two mirrors of one."""
    shared = "/a/resolve/main/x.bin"
    found = read(
        tmp_path,
        definition("a", file("x.bin", url=f"{HOST}{shared}"), aliases=["OLD_A"]),
        definition("b", file("x.bin", url="https://mirror.example/a/resolve/0123abc/x.bin")),
        version="2026.1",
        retired={"OLD_C": {"reason": "Never worked.", "successor": "a"}},
    )
    assert find_problems(found) == []
    assert require_sound(found).version == "2026.1"
    assert found.retired["OLD_C"].successor == "a"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"sha256": "a" * 64}, {"sha256": "a" * 64, "url": f"{HOST}/other"}, True),
        ({"sha256": "a" * 64}, {"sha256": "b" * 64}, False),
        ({"size_bytes": 1}, {"size_bytes": 2}, False),
        ({"size_bytes": 1}, {"size_bytes": 1, "url": f"{HOST}/other"}, False),
        ({}, {}, True),
    ],
)
def test_same_content_goes_by_checksum_then_by_address(one: Any, other: Any, same: bool):
    """Equal sizes prove nothing, equal checksums prove everything."""
    made = [PresetFile(**{"directory": "vae", "name": "x", "url": f"{HOST}/x", **more}) for more in (one, other)]
    assert same_content(made[0], made[1]) is same


def test_an_address_is_its_content():
    """Host, revision and query are no part of what an address names."""
    assert address_of("https://h/a/resolve/main/x?download=true") == address_of("https://m/a/resolve/abc/x")
    assert address_of("https://h/a/resolve/main/x") != address_of("https://h/a/resolve/main/y")
