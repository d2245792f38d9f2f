"""Bring what ComfyUI made into the workspace: ``outputs/<yyyy-mm>/<job id>/NN.ext`` with its sidecar ``NN.json``.

The file gets its name when it is whole and on the disk, the sidecar when the file has its name, the gallery's entry when both
are there. Whatever dies in between, collecting again writes the same names and the same ids.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from backend.database import Database
from backend.errors import JSON
from backend.generation.job import StoredResult
from backend.generation.ports import Fetch, Making, Output
from backend.generation.results import sidecar, store
from backend.generation.results.errors import ResultNotStored
from backend.generation.results.formats import can_open
from backend.generation.results.item import Item, Kind, result_id, stamp
from backend.generation.results.measure import Measured, measure_media
from backend.generation.results.media import Media, sniff
from backend.generation.results.words import models_of, prompt_of, searchable, writable
from backend.generation.results.workshop import THUMBNAILS, Workshop
from backend.generation.shown import GenerationJob

_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_UNFIT_FOR_NAMES = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')
_MAX_NAME = 120

HashOf = Callable[[str, str], str | None]


@dataclass(frozen=True, slots=True)
class _Batch:
    """What all outputs of one take have in common."""

    job: GenerationJob
    making: Making
    folder: Path
    models: tuple[tuple[str, str | None], ...]
    prompt: str


@dataclass(frozen=True, slots=True)
class _Found:
    """What a look at one file told."""

    media: Media
    measured: Measured
    text: str | None
    size_bytes: int
    sha256: str
    told: str


class Collector:
    """Keep results below *outputs* and in the gallery.

    Args:
        hash_of: SHA-256 of a model file by its category and the name that graphs have for it, None when it is not
            known; blocking.
    """

    def __init__(self, outputs: Path, database: Database, workshop: Workshop, hash_of: HashOf) -> None:
        self._outputs = outputs
        self._database = database
        self._workshop = workshop
        self._hash_of = hash_of

    async def collect(
        self, job: GenerationJob, outputs: Sequence[Output], fetch: Fetch, making: Making
    ) -> list[StoredResult]:
        """Write every output atomically, with its sidecar, enter it into the gallery, and return what is there.

        Previews are kept only when nothing else was made; files that the workflow was given are no results.

        Raises:
            ResultNotStored: The disk or the database refuses.
            HearthError: *fetch* could not get one.
        Cancelled or failed: whole files stay, and are written anew by the next attempt; no partial file stays.
        """
        try:
            batch = await asyncio.to_thread(self._prepare, job, making)
            items: list[Item] = []
            wanted = chosen(outputs)
            for place, output in enumerate(wanted, len(job.results) + 1):
                items.append(await self._keep(batch, output, place, fetch, is_last=output is wanted[-1]))
            await self._database.write(lambda connection: store.replace_take(connection, job.id, making.place, items))
        except OSError as error:
            raise ResultNotStored(f"A result of the job {job.id} cannot be written: {error.strerror}.") from error
        except store.StoreFailed as error:
            raise ResultNotStored(f"The gallery refuses a result: {store.reason(error)}.") from error
        return [self._stored(item) for item in items]

    def _prepare(self, job: GenerationJob, making: Making) -> _Batch:
        if _JOB_ID.fullmatch(job.id) is None:
            raise ResultNotStored(f"{job.id[:80]!r} is no id that a folder can have.")
        month = datetime.fromisoformat(job.created_at).astimezone(UTC).strftime("%Y-%m")
        folder = self._outputs / month / job.id
        folder.mkdir(parents=True, exist_ok=True)
        for partial in folder.glob(".*.part"):
            partial.unlink()  # of an attempt that was killed
        models = tuple(
            (name, None if category is None else self._hash_of(category, name))
            for category, name in models_of(making.graph)
        )
        return _Batch(job, making, folder, models, prompt_of(making.graph, job.inputs))

    async def _keep(self, batch: _Batch, output: Output, place: int, fetch: Fetch, *, is_last: bool) -> Item:
        partial = batch.folder / f".{place:02}.part"
        sha256: str | None = None
        try:
            if output.file is not None:
                sha256 = await fetch(output, partial)
            else:
                content = output.data if output.data is not None else writable(output.text or "").encode()
                await asyncio.to_thread(partial.write_bytes, content)
            return await asyncio.to_thread(_settle, batch, output, place, partial, sha256, is_last=is_last)
        except BaseException:
            # Shielded: also a cancelled collection leaves no partial file.
            await asyncio.shield(asyncio.to_thread(partial.unlink, missing_ok=True))
            raise

    def _stored(self, item: Item) -> StoredResult:
        kept = (
            self._workshop.kept_at(item.id, item.sha256) if self._workshop.has_picture(item.kind, item.mime) else None
        )
        return StoredResult(
            id=item.id,
            key=item.key,
            kind=item.kind.value,
            mime=item.mime,
            bytes=item.size_bytes,
            path=item.path,
            thumbnail=None if kept is None else f"{THUMBNAILS}/{kept.parent.name}/{kept.name}",
            width=item.width,
            height=item.height,
            duration_s=item.duration_s,
            text=item.text,
            sha256=item.sha256,
        )


def chosen(outputs: Sequence[Output]) -> list[Output]:
    """Leave out the files that were given, and previews where something else was made."""
    made = [output for output in outputs if output.file is None or output.file.type != "input"]
    lasting = [output for output in made if output.file is None or not output.file.is_temporary]
    # A text alone does not make a preview picture superfluous.
    return lasting if any(output.text is None for output in lasting) else made


def _settle(batch: _Batch, output: Output, place: int, partial: Path, sha256: str | None, *, is_last: bool) -> Item:
    """Give a whole file its name, then write its sidecar; with the last one all names are made durable; blocking."""
    told = output.file.filename if output.file is not None else ""
    found = _look(partial, told, sha256, is_text=output.text is not None)
    file_path = batch.folder / f"{place:02}.{found.media.extension}"
    beside = sidecar.place_of(file_path)
    # An earlier attempt may have made something of another kind, or died while it wrote the sidecar.
    for stale in (*batch.folder.glob(f"{place:02}.*"), *batch.folder.glob(f".{place:02}.*.tmp")):
        if stale not in (file_path, beside):
            stale.unlink()
    partial.replace(file_path)
    item = _item(batch, output, place, found)
    sidecar.write(beside, _sidecar(batch, output, item), sync_directory=is_last)
    return item


def _look(path: Path, told: str, sha256: str | None, *, is_text: bool) -> _Found:
    """Find out what a whole file is, and make it durable; it is read once more only if nobody hashed it on its way."""
    media = Media("text/plain", Kind.TEXT, "txt") if is_text else sniff(path, told)
    with path.open("rb") as file:
        sha256 = sha256 or hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    measured = measure_media(path, media.mime)
    if can_open(media.mime):
        from backend.generation.results.pictures import size_of

        size = size_of(path, media.mime)
        measured = measured if size is None else Measured(size.width, size.height, measured.duration_s)
    text = sidecar.text_of(path) if media.kind is Kind.TEXT else None
    return _Found(media, measured, text, path.stat().st_size, sha256, told)


def _item(batch: _Batch, output: Output, place: int, found: _Found) -> Item:
    job, making, media = batch.job, batch.making, found.media
    return Item(
        id=result_id(job.id, output.key),
        job_id=job.id,
        owner_id=making.owner_id,
        key=output.key,
        take=making.place,
        place=place,
        kind=media.kind,
        mime=media.mime,
        name=_name(found.told, place, media),
        path=f"{batch.folder.parent.name}/{batch.folder.name}/{place:02}.{media.extension}",
        size_bytes=found.size_bytes,
        sha256=found.sha256,
        created_at=stamp(making.finished_at),
        width=found.measured.width,
        height=found.measured.height,
        duration_s=found.measured.duration_s,
        text=found.text,
        title=writable(job.title),
        workflow_id=job.workflow_id,
        workflow_version=job.workflow_version,
        prompt=batch.prompt,
        words=searchable(job.title, batch.prompt, making.graph, job.inputs, found.text),
        models=tuple(model for model, _ in batch.models),
        seed=making.seed,
        backend=making.backend,
        source=job.source,
    )


def _sidecar(batch: _Batch, output: Output, item: Item) -> sidecar.Sidecar:
    making = batch.making
    inputs: dict[str, JSON] = dict(batch.job.inputs)
    return sidecar.Sidecar(
        item,
        graph=making.graph,
        inputs=inputs,
        node_id=output.node_id,
        prompt_id=making.prompt_id,
        models=batch.models,
        started_at=None if making.started_at is None else stamp(making.started_at),
        finished_at=item.created_at,
        node_s=making.node_s,
    )


def _name(told: str, place: int, media: Media) -> str:
    """Return what people download it as: the name that ComfyUI gave, with the extension that its content has."""
    stem = _UNFIT_FOR_NAMES.sub("_", writable(PurePosixPath(told).stem))[:_MAX_NAME].strip(" .")
    return f"{stem or f'{media.kind.value}-{place:02}'}.{media.extension}"
