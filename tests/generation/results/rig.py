"""A place for results, and real files of every kind to put there."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import wave
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from backend.comfyui import OutputFile
from backend.database import Database
from backend.generation.job import Kind, Owner, State, StoredResult
from backend.generation.ports import Making, Output
from backend.generation.results import GalleryQuery, ItemShown, Results
from backend.generation.shown import GenerationJob

ALICE, BOB = Owner("alice", "Alice"), Owner("bob", "Bob")
ADMIN = Owner("owner", "owner", is_admin=True)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
GRAPH: Mapping[str, Any] = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd\\tiny.safetensors"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a Ünicorn in fog", "clip": ["1", 1]}},
    "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["1", 1]}},
    "4": {
        "class_type": "KSampler",
        "inputs": {"model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0], "seed": 2**64 - 1},
    },
    "9": {"class_type": "SaveImage", "inputs": {"images": ["4", 0], "filename_prefix": "text"}},
}


def job(job_id: str = "job1", **facts: Any) -> GenerationJob:
    """A job that has run, with no results yet."""
    known = GenerationJob(
        id=job_id, state=State.RUNNING, kind=Kind.WORKFLOW, workflow_id="flux", workflow_version="3", title="Title",
        owner="Alice", source="api", priority=0, position=None, created_at="2026-11-24T11:59:00+00:00",
        started_at=None, finished_at=None, progress_ratio=None, step=None, node=None, nodes={}, eta_s=None, backend="local",
        attempts=1, seed=7, n=1, inputs={"steps": 4}, results=[], error=None,
    )  # fmt: skip
    return replace(known, **facts)


def making(owner: Owner = ALICE, **facts: Any) -> Making:
    """How a take came about."""
    known = Making(
        owner_id=owner.id, graph=GRAPH, place=0, seed=2**64 - 1, prompt_id="p1", backend="local",
        models=("tiny.safetensors",), started_at=NOON - timedelta(seconds=5), finished_at=NOON, node_s={"4": 1.25},
    )  # fmt: skip
    return replace(known, **facts)


def file(name: str, *, key: str | None = None, kind: str = "output", node: str = "9") -> Output:
    """An output that lies with ComfyUI under this name."""
    return Output(key or f"0/{node}/images/{name}", node, OutputFile(name, "", kind))


@dataclass
class Shelf:
    """What ComfyUI has: contents by file name; a content that is an error is raised."""

    contents: dict[str, bytes | Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def fetch(self, output: Output, path: Path) -> None:
        assert output.file is not None
        self.asked.append(output.file.filename)
        content = self.contents[output.file.filename]
        if isinstance(content, Exception):
            raise content
        await asyncio.to_thread(write_new, path, content)


def write_new(path: Path, content: bytes) -> None:
    """Write as the adapter does: only where nothing is."""
    with path.open("xb") as target:
        target.write(content)


@dataclass
class House:
    """Results on a workspace."""

    results: Results
    outputs: Path
    database: Database
    shelf: Shelf

    async def keep(
        self, contents: Mapping[str, bytes], job_id: str = "job1", owner: Owner = ALICE, **facts: Any
    ) -> list[StoredResult]:
        """Collect these files as one job."""
        self.shelf.contents.update(contents)
        outputs = [file(name) for name in contents]
        return await self.results.collector.collect(job(job_id), outputs, self.shelf.fetch, making(owner, **facts))

    async def all(self, owner: Owner = ADMIN, **filters: Any) -> list[ItemShown]:
        """List everything that these filters let pass, in one page."""
        return (await self.results.gallery.page(GalleryQuery(**filters), owner, None, 500)).items

    def files(self) -> list[str]:
        """Every file in its place, by its path below the outputs."""
        return sorted(
            path.relative_to(self.outputs).as_posix()
            for path in self.outputs.rglob("*")
            if path.is_file() and not path.relative_to(self.outputs).parts[0].startswith(".")
        )

    def trash(self) -> list[str]:
        """Every file in the trash, by its name."""
        return sorted(path.name for path in (self.outputs / ".trash").rglob("*") if path.is_file())


def sidecar(house: House, path: str) -> dict[str, Any]:
    """The sidecar of a result."""
    return json.loads((house.outputs / path).with_suffix(".json").read_bytes())


def picture(
    kind: str = "PNG", size: tuple[int, int] = (64, 48), colour: Any = "red", mode: str = "RGB", **how: Any
) -> bytes:
    """A picture."""
    target = io.BytesIO()
    Image.new(mode, size, colour).save(target, kind, **how)
    return target.getvalue()


def png(number: int = 0) -> bytes:
    """A small picture, different for each number, that carries a graph as ComfyUI's do."""
    told = PngImagePlugin.PngInfo()
    told.add_text("prompt", json.dumps(GRAPH))
    return picture(colour=(number % 256, number // 256 % 256, 9), pnginfo=told)


def animation(kind: str, frames: int = 3, milliseconds: int = 200) -> bytes:
    """An animated picture."""
    target = io.BytesIO()
    first, *rest = [Image.new("RGB", (32, 24), (40 * number, 0, 200)) for number in range(frames)]
    first.save(target, kind, save_all=True, append_images=rest, duration=milliseconds, loop=0)
    return target.getvalue()


def bomb(width: int = 50_000, height: int = 50_000) -> bytes:
    """A PNG of some hundred bytes whose header promises billions of pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(4096))) + chunk(b"IEND", b"")
    )


def wav(seconds: float = 1.5) -> bytes:
    """Silence."""
    target = io.BytesIO()
    with wave.open(target, "wb") as sound:
        sound.setnchannels(2)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(4 * round(8000 * seconds)))
    return target.getvalue()


def flac(seconds: int = 3, rate: int = 44_100) -> bytes:
    """The beginning of a FLAC file: its stream's facts (RFC 9639, 8.2)."""
    packed = rate << 44 | 1 << 41 | 15 << 36 | rate * seconds
    facts = struct.pack(">HH", 4096, 4096) + bytes(6) + packed.to_bytes(8, "big") + bytes(16)
    return b"fLaC\x80" + len(facts).to_bytes(3, "big") + facts


def mp3(frames: int = 50, *, xing: bool = True) -> bytes:
    """Frames of MPEG-1 layer III at 128 kbit/s and 44.1 kHz: 417 bytes and 1152 samples each."""
    head = b"\xff\xfb\x90\x00"
    first = head + bytes(32) + (b"Xing" + struct.pack(">II", 1, frames) if xing else b"")
    tag = b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128)
    return tag + b"".join(part.ljust(417, b"\0") for part in [first, *[head] * (frames - 1)])


def mp4(width: int = 320, height: int = 240, milliseconds: int = 2500, brand: bytes = b"isom") -> bytes:
    """The boxes of an MP4 file that say how large and long it is (ISO/IEC 14496-12)."""

    def box(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(data), kind) + data

    mvhd = box(b"mvhd", struct.pack(">IIIII", 0, 0, 0, 1000, milliseconds) + bytes(80))
    tkhd = box(b"tkhd", bytes(76) + struct.pack(">II", width << 16, height << 16))
    sound = box(b"trak", box(b"tkhd", bytes(84)))
    return box(b"ftyp", brand + bytes(4)) + box(b"mdat", bytes(64)) + box(b"moov", mvhd + box(b"trak", tkhd) + sound)


def webm(width: int = 640, height: int = 360, milliseconds: float = 4000.0) -> bytes:
    """The elements of a WebM file that say how large and long it is (RFC 9559)."""

    def element(number: int, data: bytes) -> bytes:
        name = number.to_bytes((number.bit_length() + 7) // 8, "big")
        return name + (1 << 56 | len(data)).to_bytes(8, "big") + data

    head = element(0x1A45DFA3, element(0x4282, b"webm"))
    info = element(
        0x1549A966, element(0x2AD7B1, (1_000_000).to_bytes(3, "big")) + element(0x4489, struct.pack(">d", milliseconds))
    )
    size = element(0xB0, width.to_bytes(2, "big")) + element(0xBA, height.to_bytes(2, "big"))
    tracks = element(0x1654AE6B, element(0xAE, element(0xE0, size)))
    segment = info + tracks + element(0x1F43B675, bytes(16))
    return head + b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff" + segment


def latent() -> bytes:
    """What SaveLatent writes: safetensors."""
    header = json.dumps({"latent_tensor": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(4)


def names(items: Sequence[ItemShown]) -> list[str]:
    """The names of what was listed."""
    return [item.name for item in items]
