"""A small workspace with presets: definitions, real model files, a ledger on a real database, a download queue to steer."""

from __future__ import annotations

import asyncio
import hashlib
import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backend.database import Database
from backend.events import Hub
from backend.kit.files import FileIdentity, VerifiedFile
from backend.paths import ModelPaths
from backend.presets import CatalogStore, PresetManager
from backend.storage import Ledger

HOST = "https://models.example"


def weights(content: bytes = b"weights", size_bytes: int = 0) -> bytes:
    """A sound safetensors file around *content*, filled up to *size_bytes*."""
    header = 0
    while True:
        data = content + b"\0" * max(0, size_bytes - 8 - header - len(content))
        text = json.dumps({"w": {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]}}).encode()
        text += b" " * (-len(text) % 8)
        if len(text) == header or not size_bytes:
            return struct.pack("<Q", len(text)) + text + data
        header = len(text)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def file(name: str, directory: str = "checkpoints", content: bytes | None = None, **more: Any) -> dict[str, Any]:
    """The definition of a file; with *content* its exact size and checksum are promised."""
    made = {"directory": directory, "name": name, "url": f"{HOST}/{name}", **more}
    if content is not None:
        made = {"size_bytes": len(content), "sha256": sha256(content), **made}
    return made


def definition(preset_id: str, *files: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A whole preset document."""
    return {
        "schema": 1,
        "id": preset_id,
        "name": more.pop("name", preset_id.replace("-", " ").title()),
        "category": more.pop("category", "image"),
        "description": more.pop("description", "For tests."),
        "files": list(files) or [file(f"{preset_id}.safetensors")],
        **more,
    }


def write_catalog(folder: Path, *definitions: dict[str, Any], **aliases: Any) -> Path:
    """Write preset files, and `aliases.json` from version and retired."""
    for each in definitions:
        path = folder / each["category"] / f"{each['id']}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(each))
    if aliases:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "aliases.json").write_text(json.dumps(aliases))
    return folder


@dataclass
class Job:
    """An unfinished or finished job of the queue below."""

    id: str
    preset_id: str
    state: str = "downloading"
    progress_ratio: float | None = 0.5

    def as_dict(self) -> dict[str, Any]:
        return {"id": self.id, "state": self.state}


@dataclass
class Queue:
    """A download queue whose jobs end when the test says so."""

    active: dict[str, Job] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    refusals: dict[str, Exception] = field(default_factory=dict)
    changes: int = 0

    async def download_preset(self, preset_id: str) -> Job:
        self.asked.append(preset_id)
        if preset_id in self.refusals:
            raise self.refusals[preset_id]
        if preset_id not in self.active:
            self.active[preset_id] = Job(f"job-{len(self.asked)}", preset_id)
            self.changes += 1
        return self.active[preset_id]

    def active_for(self, preset_id: str) -> Job | None:
        return self.active.get(preset_id)

    def activity(self) -> int:
        return self.changes

    def end(self, preset_id: str) -> None:
        del self.active[preset_id]
        self.changes += 1


class Shelf:
    """Everything that a preset manager needs, on *workspace*; the manager itself is made by :meth:`manager`."""

    def __init__(self, workspace: Path, database: Database) -> None:
        self.workspace = workspace
        self.shipped = workspace / "shipped"
        self.user = workspace / "config" / "presets"
        self.updated = workspace / "config" / "catalog" / "catalog.json"
        self.paths = ModelPaths.open(workspace, [], probes=[])
        self.models = self.paths.roots()[0]
        self.ledger = Ledger.open(database)
        self.queue = Queue()
        self.hub = Hub()
        self.promises: dict[str, str] = {}
        self.catalog_url: str | None = None
        self.served: dict[str, bytes] = {}
        self.managers: list[PresetManager] = []

    def ship(self, *definitions: dict[str, Any], **aliases: Any) -> Shelf:
        write_catalog(self.shipped, *definitions, **aliases)
        return self

    def put(self, name: str, content: bytes, directory: str = "checkpoints") -> Path:
        path = self.paths.folder(directory) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def notice(self) -> None:
        """Let the managers look at the disk at the next question, instead of within a second."""
        for manager in self.managers:
            manager._keeper.invalidate()

    async def record(self, path: Path, content: bytes, *, verified: bool = True, url: str | None = None) -> None:
        seen = await asyncio.to_thread(FileIdentity.of, path)
        await self.ledger.record(
            VerifiedFile(path, seen.size_bytes, seen.mtime_ns, seen.inode, sha256(content), verified, url)
        )

    def record_now(self, path: Path, content: bytes, *, verified: bool = True, url: str | None = None) -> None:
        asyncio.run(self.record(path, content, verified=verified, url=url))

    def store(self) -> CatalogStore:
        return CatalogStore(self.shipped, self.updated, self.user)

    def manager(self) -> PresetManager:
        made = PresetManager(
            store=self.store(),
            ledger=self.ledger,
            downloads=self.queue,
            paths=self.paths,
            hub=self.hub,
            partial_bytes=partial_bytes,
            promised=self._promised,
            fetch=self._fetch,
            catalog_url=self.catalog_url,
        )
        self.managers.append(made)
        return made

    async def _promised(self, url: str) -> str | None:
        return self.promises.get(url)

    async def _fetch(self, url: str, limit_bytes: int) -> bytes:
        return self.served[url][:limit_bytes]


def partial_bytes(destination: Path) -> int | None:
    """The size of ``NAME.part``, if there is one."""
    part = destination.with_name(f"{destination.name}.part")
    return part.stat().st_size if part.exists() else None


def names(paths: Iterable[Path]) -> list[str]:
    return sorted(path.name for path in paths)
