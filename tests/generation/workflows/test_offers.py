"""Where a missing file can be had: by checksum, by place, by a name that means one thing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from backend.generation.workflows import ModelNeed, Offer, Source, parse_document
from backend.generation.workflows.asking import Asking
from backend.generation.workflows.library.kinds import kind_of_document, kind_of_template
from backend.generation.workflows.offers import Offers, place_of
from backend.generation.workflows.ports import Told
from backend.kit.files import VerifiedFile
from backend.presets.preset import Category, Preset, PresetFile
from tests.generation import graphs
from tests.generation.drawn import drawn

SHA, OTHER_SHA = "a" * 64, "b" * 64


def file(name: str, directory: str = "checkpoints", **more: Any) -> PresetFile:
    return PresetFile(directory, name, f"https://models.example/{directory}/{name}", **more)


def preset(preset_id: str, *files: PresetFile) -> Preset:
    return Preset(preset_id, preset_id, Category.IMAGE, "", files, licence="MIT", licence_url="https://mit.example")


def offers(*presets: Preset, records: tuple[VerifiedFile, ...] = (), here: tuple[str, ...] = ()) -> Offers:
    found = Path("/models")
    return Offers(lambda: presets, lambda: records, lambda _directory, name: found if name in here else None)


def record(path: str, url: str | None = "https://models.example/from") -> VerifiedFile:
    return VerifiedFile(Path(path), 5, 0, 0, SHA, verified=True, source_url=url)


def test_a_preset_is_found_by_place_before_name_and_by_checksum_before_both():
    """The licence of the preset stands in for that of the file."""
    desk = offers(
        preset("one", file("a.safetensors", sha256=SHA, size_estimate_bytes=7)),
        preset("two", file("a.safetensors", "checkpoints/sub", sha256=OTHER_SHA, licence="Own", gated=True)),
    )
    by_place = desk.preset(ModelNeed("checkpoints", "sub/a.safetensors"), None)
    by_sum = desk.preset(ModelNeed("checkpoints", "x.safetensors"), SHA)

    assert by_place is not None
    assert (by_place.preset_id, by_place.licence, by_place.gated) == ("two", "Own", True)
    assert by_sum is not None
    assert (by_sum.preset_id, by_sum.licence, by_sum.size_bytes, by_sum.source) == ("one", "MIT", 7, Source.PRESET)


def test_a_name_alone_must_mean_one_file():
    """In the same category where that is known."""
    desk = offers(preset("one", file("model.bin", "vae")), preset("two", file("model.bin", "loras/x")))

    assert desk.preset(ModelNeed(None, "model.bin"), None) is None
    assert desk.preset(ModelNeed("checkpoints", "model.bin"), None) is None
    found = desk.preset(ModelNeed("loras", "model.bin"), None)
    assert found is not None
    assert found.preset_id == "two"


def test_what_was_read_before_is_remembered_with_its_address():
    """Of the same category; without an address it is of no use."""
    desk = offers(records=(record("/models/loras/a.sft"), record("/models/vae/b.sft", None)))

    assert desk.known(ModelNeed("loras", "sub/a.sft"), None) == Offer(
        "loras", "a.sft", "https://models.example/from", Source.HASH, 5, SHA
    )
    assert desk.known(ModelNeed("vae", "a.sft"), None) is None
    assert desk.known(ModelNeed("vae", "b.sft"), None) is None
    assert desk.known(ModelNeed("loras", "other.sft"), SHA) is not None
    assert desk.known(ModelNeed("loras", "a.sft"), OTHER_SHA) is None


def test_a_preset_covers_what_it_brings_and_little_else():
    """More is allowed where that is here already."""
    many = preset("many", file("a"), file("b"), file("c"))

    assert offers(many).covering({("checkpoints", "a"), ("checkpoints", "b")}) is None
    assert offers(many, here=("c",)).covering({("checkpoints", "a"), ("checkpoints", "b")}) == "many"
    assert offers(many, preset("few", file("a"))).covering({("checkpoints", "a")}) == "few"
    assert offers(many, here=("a", "b", "c")).covering({("checkpoints", "z")}) is None


@pytest.mark.parametrize(
    ("name", "place"),
    [("a", ("loras", "a")), ("x/y/a", ("loras/x/y", "a")), ("x\\a", ("loras/x", "a"))],
)
def test_folders_in_a_name_belong_to_the_directory(name: str, place: tuple[str, str]):
    """As servers of either kind write them."""
    assert place_of("loras", name) == place


def test_what_a_workflow_makes_is_told_by_its_nodes():
    """Before any server is asked; films come before their stills."""
    assert kind_of_document(parse_document(str(drawn("a")).replace("'", '"'))) == "image"
    film: graphs.Graph = {**graphs.quick(), "3": {"class_type": "SaveVideo", "inputs": {}}}
    assert kind_of_document(parse_document(str(film).replace("'", '"'))) == "video"
    assert kind_of_document(parse_document('{"1": {"class_type": "Odd", "inputs": {}}}')) is None
    assert kind_of_template({"type": "3d"}, {}) == "model"
    assert kind_of_template({"type": "image"}, {"io": {"outputs": [{"mediaType": "audio"}]}}) == "audio"
    assert kind_of_template({"type": "smell"}, {}) is None


@pytest.mark.anyio
async def test_hosts_that_are_silent_are_asked_once_a_minute():
    """Sizes that are known are not asked for at all."""
    asked: list[str] = []

    async def ask(url: str) -> Told | None:
        asked.append(url)
        if url == "fails":
            raise RuntimeError
        await asyncio.sleep(0)
        return Told(5, SHA, gated=True) if url == "tells" else None

    asking = Asking(ask)
    wanted = [Offer("vae", url, url, Source.WORKFLOW) for url in ("tells", "silent", "fails")]
    known = Offer("vae", "known", "known", Source.WORKFLOW, size_bytes=3)
    first = await asking.complete([*wanted, known])
    again = await asking.complete(wanted)

    assert sorted(asked) == ["fails", "silent", "tells"]
    assert (first["tells"].size_bytes, first["tells"].sha256, first["tells"].gated) == (5, SHA, True)
    assert first["known"] == known
    assert again["tells"] == first["tells"]
    assert again["silent"].size_bytes is again["fails"].size_bytes is None
