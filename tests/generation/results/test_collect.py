"""What ComfyUI made lies in the workspace, whole and explained, once, whatever dies on the way."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from backend.comfyui import OutputNotFound
from backend.generation.ports import Output
from backend.generation.results import ResultNotStored
from backend.generation.results.item import result_id
from tests.generation.results import rig
from tests.generation.results.conftest import HASH
from tests.generation.results.rig import ADMIN, ALICE, House, file, job, making, names

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[3]


async def test_a_result_lies_beside_how_it_came_about(house: House) -> None:
    """File, sidecar and entry tell the same."""
    content = rig.png()
    (stored,) = await house.keep({"fog_00001_.png": content})

    assert house.files() == ["2026-11/job1/01.json", "2026-11/job1/01.png"]
    assert (house.outputs / "2026-11/job1/01.png").read_bytes() == content
    assert (stored.id, stored.path) == (result_id("job1", stored.key), "2026-11/job1/01.png")
    assert (stored.kind, stored.mime, stored.bytes) == ("image", "image/png", len(content))
    assert (stored.width, stored.height, stored.sha256) == (64, 48, hashlib.sha256(content).hexdigest())
    assert stored.thumbnail is not None
    told = rig.sidecar(house, "2026-11/job1/01.png")
    assert told["graph"] == rig.GRAPH
    assert told["models"] == [{"name": "sd/tiny.safetensors", "sha256": HASH}]
    assert (told["workflow_id"], told["workflow_version"], told["seed"]) == ("flux", "3", 2**64 - 1)
    assert (told["node_s"], told["backend"], told["prompt_id"]) == ({"4": 1.25}, "local", "p1")
    (item,) = await house.all()
    assert (item.name, item.prompt, item.models) == ("fog_00001_.png", "a Ünicorn in fog", ["sd/tiny.safetensors"])
    assert (item.seed, item.sha256) == (2**64 - 1, stored.sha256)


async def test_every_kind_is_kept(house: House) -> None:
    """Pictures, films, sound, shapes, latents, words and bytes of no known kind, by their content."""
    kept = await house.keep(
        {"a.png": rig.png(), "b.webp": rig.animation("WEBP"), "c.mp4": rig.mp4(), "d.wav": rig.wav(),
         "e.glb": b"glTF\x02\0\0\0", "f.latent": rig.latent(), "g.json": b'{"schema": 1}', "h.bin": b"\0\1"}
    )  # fmt: skip

    assert [each.kind for each in kept] == ["image", "animation", "video", "audio", "model", "latent", "text", "file"]
    assert [(each.duration_s, each.width) for each in kept[1:4]] == [(0.6, 32), (2.5, 320), (1.5, None)]
    assert kept[6].text == '{"schema": 1}'
    assert "2026-11/job1/07.json.json" in house.files(), "a result that is JSON keeps its name"


async def test_texts_and_pictures_of_the_socket_are_results(house: House) -> None:
    """They have no file at ComfyUI, but they have one here."""
    outputs = [
        Output("0/1/text/0", "1", text="schöne Worte \ud800"),
        Output("0/2/data/0", "2", data=rig.picture("JPEG"), mime="image/jpeg"),
    ]
    text, image = await house.results.collector.collect(job(), outputs, house.shelf.fetch, making())

    assert (text.kind, text.mime, text.text) == ("text", "text/plain", "schöne Worte ?")
    assert (image.kind, image.mime) == ("image", "image/jpeg")
    assert house.files() == [f"2026-11/job1/{name}" for name in ("01.json", "01.txt", "02.jpg", "02.json")]


async def test_previews_count_only_where_nothing_else_was_made(house: House) -> None:
    """What was given to the workflow is never a result."""
    house.shelf.contents.update({"p.png": rig.png(1), "o.png": rig.png(2), "i.png": rig.png(3)})
    preview, output, given = file("p.png", kind="temp"), file("o.png"), file("i.png", kind="input")
    words = Output("0/5/text/0", "5", text="seen")
    collect = house.results.collector.collect

    both = await collect(job("a"), [preview, output, given, words], house.shelf.fetch, making())
    alone = await collect(job("b"), [preview, given, words], house.shelf.fetch, making())

    assert [each.key for each in both] == [output.key, words.key]
    assert [each.key for each in alone] == [preview.key, words.key]
    assert "i.png" not in house.shelf.asked


async def test_names_lead_nowhere(house: House) -> None:
    """A name is for people; where the file lies is for us to say."""
    (stored,) = await house.keep({'../../e"vil\\..\0.html.png': rig.png()})
    (item,) = await house.all()

    assert stored.path == "2026-11/job1/01.png"
    assert item.name == "e_vil_..__html.png".replace("__html", "_.html")
    with pytest.raises(ResultNotStored):
        await house.results.collector.collect(job("../x"), [file("a.png")], house.shelf.fetch, making())


async def test_collecting_again_changes_nothing(house: House) -> None:
    """After a crash the same names, the same ids, and one entry each; what people said stays."""
    contents = {"a.png": rig.png(1), "b.png": rig.png(2)}
    first = await house.keep(contents)
    await house.results.gallery.say(first[0].id, ALICE, favourite=True, rating=4)
    again = await house.keep(contents)

    assert [(each.id, each.path) for each in again] == [(each.id, each.path) for each in first]
    items = await house.all()
    assert sorted(names(items)) == ["a.png", "b.png"]
    assert [(item.favourite, item.rating) for item in items if item.id == first[0].id] == [(True, 4)]


async def test_another_attempt_takes_the_place_of_the_first(house: House) -> None:
    """It made less, and of another kind: nothing of the first attempt stays in sight."""
    await house.keep({"a.png": rig.png(1), "b.png": rig.png(2)})
    house.shelf.contents["a.png"] = rig.picture("WEBP")
    await house.results.collector.collect(job(), [file("a.png")], house.shelf.fetch, making())

    assert names(await house.all()) == ["a.webp"]
    assert [name for name in house.files() if "/01" in name] == ["2026-11/job1/01.json", "2026-11/job1/01.webp"]


async def test_takes_of_a_job_stand_side_by_side(house: House) -> None:
    """Each take is numbered on from those before it."""
    await house.keep({"a.png": rig.png(1)})
    shown = (await house.all())[0]
    house.shelf.contents["b.png"] = rig.png(2)
    second = job(results=[shown])  # only their number counts
    await house.results.collector.collect(
        second, [file("b.png", key="1/9/images/0")], house.shelf.fetch, making(place=1, finished_at=rig.NOON)
    )

    assert names(await house.all()) == ["b.png", "a.png"]
    assert "2026-11/job1/02.png" in house.files()


async def test_what_cannot_be_fetched_leaves_no_half(house: House) -> None:
    """The error is passed on; no partial file and no entry stays."""
    house.shelf.contents["a.png"] = OutputNotFound("gone")
    with pytest.raises(OutputNotFound):
        await house.results.collector.collect(job(), [file("a.png")], house.shelf.fetch, making())

    assert list((house.outputs / "2026-11" / "job1").iterdir()) == []
    assert await house.all() == []


async def test_a_cancelled_collection_leaves_no_half(house: House) -> None:
    """Cancel comes while the bytes do."""
    began = asyncio.Event()

    async def fetch(_output: Output, path: Path) -> None:
        await asyncio.to_thread(rig.write_new, path, b"half")
        began.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(house.results.collector.collect(job(), [file("a.png")], fetch, making()))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert list((house.outputs / "2026-11" / "job1").iterdir()) == []


async def test_a_disk_that_refuses_is_named(house: House) -> None:
    """The job fails with a reason instead of an exception of the operating system."""

    async def fetch(_output: Output, path: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(ResultNotStored, match="No space left"):
        await house.results.collector.collect(job(), [file("a.png")], fetch, making())


CHILD = textwrap.dedent(
    """
    import asyncio, os, pathlib, signal, sys
    from backend.database import Database
    from backend.generation.results import Results
    from tests.generation.results import rig

    workspace, step = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    steps = 0

    def count(event, _arguments):
        global steps
        if event in ("os.rename", "os.remove"):
            steps += 1
            if steps == step:
                os.kill(os.getpid(), signal.SIGKILL)

    async def main():
        database = Database.open(workspace / "hearth.db")
        results = await Results.open(workspace / "outputs", database, hash_of=lambda *_: None)
        house = rig.House(results, workspace / "outputs", database, rig.Shelf())
        sys.addaudithook(count)
        await house.keep({"a.png": rig.png(1), "b.png": rig.png(2)})
        print("done", flush=True)
        os._exit(0)

    asyncio.run(main())
    """
)


@pytest.mark.parametrize("step", [1, 2, 3, 4, 99])
async def test_a_killed_collection_is_finished_by_the_next(
    step: int, tmp_path: Path, open_house: Callable[..., Awaitable[House]], workspace: Path
) -> None:
    """SIGKILL before any rename of file or sidecar: no file is half, and each result is there once afterwards."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(workspace), str(step), cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )  # fmt: skip
    said, _ = await child.communicate()
    assert (child.returncode, said) in [(-signal.SIGKILL, b""), (0, b"done\n")]
    assert (child.returncode == 0) == (step == 99)
    for path in (workspace / "outputs").rglob("0?.png"):
        assert path.read_bytes() in (rig.png(1), rig.png(2))
    house = await open_house()
    await house.keep({"a.png": rig.png(1), "b.png": rig.png(2)}, finished_at=rig.NOON + timedelta(seconds=9))

    assert house.files() == [f"2026-11/job1/{name}" for name in ("01.json", "01.png", "02.json", "02.png")]
    assert sorted(names(await house.all(ADMIN))) == ["a.png", "b.png"]
    assert [path.name for path in house.outputs.rglob("*.part")] == []
