"""A catalogue from outside is taken whole and sound, or not at all."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.presets.bundle import MAX_BUNDLE_BYTES, Bundle, read_bundle
from backend.presets.errors import CatalogInvalid
from backend.presets.schema import check_aliases, check_preset
from tests.presets.shelf import definition, file, sha256


def bundle(*definitions: dict[str, Any], version: str = "2026.1", **retired: Any) -> Bundle:
    documents = [check_preset(each) for each in definitions or (definition("a"), definition("b", category="video"))]
    return Bundle(documents, check_aliases({"version": version, "retired": retired}))


def zipped(files: dict[str, bytes], manifest: dict[str, Any] | None = None, **options: Any) -> bytes:
    """Pack files with a manifest that is right unless one is given."""
    if manifest is None:
        manifest = {"version": "2026.1", "files": {name: sha256(content) for name, content in files.items()}}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def refusal(data: bytes) -> str:
    with pytest.raises(CatalogInvalid) as caught:
        read_bundle(data)
    assert caught.value.details["problems"]
    return caught.value.message


GOOD = json.dumps(definition("a")).encode()


@pytest.mark.parametrize("form", ["to_json", "to_zip"])
def test_both_forms_say_the_same(form: str):
    """What was written is read again, with version and retired ids."""
    made = bundle(version="2026.3.1", OLD={"reason": "Gone.", "successor": "a"})
    again = read_bundle(getattr(made, form)())
    assert again.definitions() == made.definitions()
    assert again.version == "2026.3.1"


def test_a_changed_byte_is_noticed():
    """The checksum covers everything but itself."""
    data = bundle().to_json()
    assert "checksum" in refusal(data.replace(b"For tests.", b"For jests."))
    assert "checksum" in refusal(data.replace(b'"version":"2026.1"', b'"version":"2026.2"'))


def test_a_json_catalogue_may_come_without_checksum():
    """Written by hand, it is judged by its content alone."""
    data = json.dumps({"version": "1", "presets": [definition("a")]}).encode()
    assert [each.id for each in read_bundle(data).presets] == ["a"]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "not JSON"),
        (b"<!doctype html>", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"[" * 200_000, "not JSON"),
        (b"{}", "a list is missing"),
        (b'{"version": "1", "presets": []}', "holds no presets"),
        (b'{"version": "one", "presets": []}', "version"),
        (b" " * (MAX_BUNDLE_BYTES + 1), "larger than"),
        (b"PK\x03\x04 not really", "damaged"),
        (zipped({"image/a.json": GOOD})[:-40], "damaged"),
        (zipped({}), "holds no presets"),
        (zipped({"image/a.json": GOOD}, {"version": "1"}), "lists no files"),
        (zipped({"image/a.json": GOOD}, {"files": {}}), "not listed"),
        (zipped({}, {"files": {"image/a.json": "00"}}), "listed in manifest.json but not there"),
        (zipped({"image/a.json": GOOD}, {"files": {"image/a.json": "00"}}), "checksum does not match"),
        (zipped({"image/a.json": b"{}"}), "image/a.json"),
        (zipped({"image/a.json": b"nope"}), "not JSON"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_catalogue_is_refused(data: bytes, complaint: str):
    """Each refusal says what is wrong."""
    assert complaint in refusal(data)


@pytest.mark.parametrize(
    "name",
    ["../a.json", "/a.json", "a/b/c.json", "..\\a.json", "a.exe", ".a.json", "image/.a.json", "C:a.json", "é.json"],
)
def test_hostile_names_in_an_archive_are_refused(name: str):
    """Nothing is extracted, and still no such name is taken."""
    assert "not a name for a preset file" in refusal(zipped({name: GOOD}))


def test_a_zip_bomb_is_stopped_while_it_unpacks():
    """The limit is what comes out, whatever the archive claims."""
    bomb = zipped({f"image/{index}.json": b" " * (40 << 20) for index in range(2)})
    assert len(bomb) < 1 << 20
    assert "unpacks to more than" in refusal(bomb)


def test_an_archive_of_countless_files_is_refused():
    """A list of entries can be a bomb too."""
    assert "more than 5000 files" in refusal(zipped({f"image/{index}.json": b"" for index in range(5001)}))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name_are_refused():
    """Which of the two was meant nobody knows."""
    buffer = io.BytesIO(zipped({"image/a.json": GOOD}))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("image/a.json", GOOD)
    assert "there twice" in refusal(buffer.getvalue())


def test_ids_and_places_are_unique_over_the_whole_catalogue():
    """What would be found at a start is found before it is taken."""
    twice = {"version": "1", "presets": [definition("a"), definition("a")]}
    assert "the id a is there twice" in refusal(json.dumps(twice).encode())
    clash = [definition("a", file("x.bin", url="https://h/1")), definition("b", file("x.bin", url="https://h/2"))]
    assert "two contents" in refusal(json.dumps({"version": "1", "presets": clash}).encode())


def test_many_problems_are_counted_but_not_all_told():
    """Twenty problems are enough to read."""
    presets = [{**definition(f"p{index}"), "category": "x"} for index in range(60)]
    with pytest.raises(CatalogInvalid) as caught:
        read_bundle(json.dumps({"version": "1", "presets": presets}).encode())
    problems = caught.value.details["problems"]
    assert isinstance(problems, list)
    assert len(problems) == 20


@given(st.binary(max_size=300), st.integers(0, 400), st.integers(1, 255))
def test_damage_never_raises_anything_else(noise: bytes, position: int, flip: int):
    """Noise, and a real archive with one byte changed, are refused or read, and nothing else."""
    archive = bytearray(bundle().to_zip())
    archive[position % len(archive)] ^= flip
    for data in (noise, b"PK" + noise, bytes(archive)):
        with contextlib.suppress(CatalogInvalid):
            read_bundle(data)
