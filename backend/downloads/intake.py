"""Turn what somebody asks for into a job: a preset's files, or an address of the user's own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from backend.downloads.address import same_address, shown_url
from backend.downloads.errors import FileNameUnknown, InvalidDownloadRequest, WantedOtherwise
from backend.downloads.job import DownloadState, Job, JobFile, JobKind
from backend.downloads.ports import PresetFiles, Resolve
from backend.downloads.transfer import partial_bytes
from backend.downloads.worker import Worker, is_vouched_for
from backend.kit.clock import utc_now
from backend.kit.ids import new_id
from backend.sources import FileRef, checked_url

_SHA256 = re.compile(r"[0-9a-f]{64}")
# Endings with which the last part of an address is believed to be a file's name; others are asked for at the host.
_FILE_ENDINGS = frozenset(
    {
        ".safetensors", ".sft", ".gguf", ".ckpt", ".pt", ".pt2", ".pth", ".bin", ".pkl", ".onnx", ".npz", ".msgpack",
        ".yaml", ".yml", ".json", ".txt", ".model", ".zip", ".ttf", ".otf",
    }
)  # fmt: skip


class Intake:
    """Make jobs; nothing is stored or begun here."""

    def __init__(self, *, worker: Worker, resolve: Resolve) -> None:
        self._worker = worker
        self._resolve = resolve

    async def preset(self, preset: PresetFiles, priority: int) -> Job:
        """Make a job for all files of a preset; those that are there and verified are completed already.

        Raises:
            HearthError: A place of the preset is outside the fence.
        """
        places = {(wanted.directory, wanted.name): wanted for wanted in preset.files}
        files = [
            JobFile(
                id=new_id(),
                directory=wanted.directory,
                name=wanted.name,
                url=wanted.url,
                revision=wanted.revision,
                size_bytes=wanted.size_bytes,
                size_estimate_bytes=wanted.size_estimate_bytes,
                sha256=wanted.sha256,
            )
            for wanted in places.values()
        ]
        return await self._job(JobKind.PRESET, preset.name, preset.id, files, priority)

    async def address(self, url: str, directory: str, name: str | None, sha256: str | None, priority: int) -> Job:
        """Make a job for one address; without a name the address, else its host, is asked for one.

        Raises:
            InvalidDownloadRequest: The checksum is none.
            FileNameUnknown: Nobody knows what the file is called.
            SourceError: The address cannot be used, or its host refuses to name the file.
            HearthError: The place is outside the fence.
        """
        checked = checked_url(url)
        promised = sha256.strip().lower().removeprefix("sha256:") if sha256 else None
        if promised is not None and not _SHA256.fullmatch(promised):
            raise InvalidDownloadRequest("The sha256 is not one.", hint="Give 64 hexadecimal digits, or leave it out.")
        called = name or _name_in(checked) or await self._ask_for_name(checked)
        file = JobFile(id=new_id(), directory=directory, name=called, url=checked, sha256=promised)
        return await self._job(JobKind.URL, called, None, [file], priority)

    async def _ask_for_name(self, url: str) -> str:
        named = PurePosixPath(((await self._resolve(FileRef(url))).filename or "").replace("\\", "/"))
        if not named.suffix:  # the last part of an address is no name: nobody could tell what kind of file it is
            raise FileNameUnknown(f"Nothing tells what the file at {shown_url(url)} is called.")
        return named.name

    async def _job(self, kind: JobKind, name: str, preset_id: str | None, files: list[JobFile], priority: int) -> Job:
        if not files:
            raise InvalidDownloadRequest(f"{name} has no files.", hint="Choose another preset.")
        placed = await asyncio.to_thread(lambda: tuple(self._judged(file) for file in files))
        job = Job(new_id(), kind, name, preset_id, placed, utc_now(), priority=priority)
        return replace(job, finished_at=job.created_at) if job.ended else job

    def placed(self, file: JobFile) -> JobFile:
        """Work out where a file belongs, for a completed one also where it lies, and what has arrived; blocking.

        Raises:
            HearthError: The place is outside the fence.
        """
        present = self._worker.present(file.directory, file.name)
        # A file that lies in another model folder is replaced there, never doubled.
        destination = self._worker.destination(file.directory, file.name) if present is None else present.path
        if file.state is DownloadState.COMPLETED:
            return replace(file, destination=destination, path=None if present is None else present.path)
        return replace(file, destination=destination, bytes_done=partial_bytes(destination) or 0)

    def _judged(self, file: JobFile) -> JobFile:
        """Give a new file its place, and complete it when nothing needs to be done for it; blocking."""
        placed = self.placed(file)
        present = self._worker.present(file.directory, file.name)
        if present is None or present.record is None:
            return placed
        if not is_vouched_for(present, size_bytes=file.size_bytes, sha256=file.sha256, url=file.url):
            return placed
        size_bytes = present.identity.size_bytes
        return placed.moved(
            DownloadState.COMPLETED,
            bytes_total=size_bytes,
            bytes_done=size_bytes,
            found_sha256=present.record.sha256,
            verified=present.record.verified,
            path=present.path,
        )


def check_conflicts(job: Job, unfinished: Iterable[Job]) -> None:
    """Make sure that nobody else brings another content to a place of *job*.

    Raises:
        WantedOtherwise: Somebody does.
    """
    wanted = {file.destination: file for file in job.files if not file.ended}
    for other in unfinished:
        for theirs in other.files:
            ours = wanted.get(theirs.destination)
            if ours is not None and other.id != job.id and not theirs.ended and not same_content(ours, theirs):
                raise WantedOtherwise(
                    f"{other.name} is bringing another content to {ours.directory}/{ours.name}.",
                    details={"job_id": other.id, "directory": ours.directory, "name": ours.name},
                )


def same_content(one: JobFile, other: JobFile) -> bool:
    """Tell whether two files for one place are the same, as far as can be told without asking anybody."""
    if one.sha256 is not None and other.sha256 is not None:
        return one.sha256 == other.sha256
    if one.size_bytes is not None and other.size_bytes is not None and one.size_bytes != other.size_bytes:
        return False
    return same_address(one.url, other.url)


def _name_in(url: str) -> str | None:
    """Return the last part of an address when it looks like the name of a file."""
    last = unquote(urlsplit(url).path.rpartition("/")[2])
    return last if PurePosixPath(last).suffix.lower() in _FILE_ENDINGS else None
