"""Files that clients send as inputs: kept by content, named in graphs, brought to ComfyUI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backend.comfyui import Uploaded
from backend.generation import Uploads
from backend.generation.errors import UploadMissing
from backend.generation.uploads import names_in

pytestmark = pytest.mark.anyio


class Receiver:
    """Takes what ComfyUI would."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    async def upload_image(self, name: str, content: bytes, *, subfolder: str = "", **more: Any) -> Uploaded:
        assert more == {"overwrite": True}
        self.files[f"{subfolder}/{name}"] = content
        return Uploaded(name, subfolder, "input")


async def test_the_same_content_is_kept_once(tmp_path: Path) -> None:
    """Its name tells its content, and so means the same tomorrow and on every backend."""
    uploads = Uploads(tmp_path / "uploads")
    first, again = await uploads.keep(b"fox", "png"), await uploads.keep(b"fox", "PNG")
    other = await uploads.keep(b"wolf", "../../etc")

    assert first == again
    assert first.startswith("hearth/")
    assert first.endswith(".png")
    assert other.endswith(".bin")
    assert await uploads.read(first) == b"fox"
    assert len(list((tmp_path / "uploads").iterdir())) == 2


async def test_only_what_a_graph_names_is_brought(tmp_path: Path) -> None:
    """Other values that look alike are left alone."""
    uploads, receiver = Uploads(tmp_path), Receiver()
    name = await uploads.keep(b"fox", "png")
    await uploads.keep(b"wolf", "png")
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "2": {"class_type": "LoadImage", "inputs": {"image": "hearth/photo.png", "choice": ["1", 0]}},
        "3": {"class_type": "Note", "inputs": {"text": f"see {name}"}},
    }
    await uploads.deliver(graph, receiver)

    assert receiver.files == {name: b"fox"}
    assert list(names_in(graph)) == [name]


@pytest.mark.parametrize("name", ["hearth/" + "0" * 64 + ".png", "hearth/../../etc/passwd", "photo.png"])
async def test_a_file_that_is_not_there(tmp_path: Path, name: str) -> None:
    """Gone, or never ours; nothing outside the folder is ever read."""
    with pytest.raises(UploadMissing):
        await Uploads(tmp_path).read(name)
