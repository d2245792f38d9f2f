"""Files that clients send as inputs: kept by their content, and brought to whichever ComfyUI runs the job.

An input names such a file ``hearth/<sha256>.<ending>``: a path in ComfyUI's input folder, so the graph that is stored is the
graph that runs, on any backend, today or after a restart. Before a take is placed, its files are uploaded under exactly
these names; ComfyUI keeps what it has when the content is the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from backend.comfyui import Uploaded
from backend.errors import JSON
from backend.generation.errors import UploadMissing
from backend.generation.job import GraphDocument
from backend.kit.atomic import write_atomic

FOLDER = "hearth"
_FILE = r"[0-9a-f]{64}\.[a-z0-9]{1,8}"
_NAME = re.compile(rf"{FOLDER}/({_FILE})")
_ENDING = re.compile(r"[a-z0-9]{1,8}")


class Uploader(Protocol):
    """The part of a ComfyUI client that stores files (``ComfyUIClient.files``)."""

    async def upload_image(
        self,
        name: str,
        content: bytes,
        *,
        mime: str = ...,
        subfolder: str = ...,
        folder: str = ...,
        overwrite: bool = ...,
    ) -> Uploaded:
        """Store *content* in the input folder."""
        ...


class Uploads:
    """The files, below *folder*."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def keep(self, content: bytes, ending: str) -> str:
        """Store *content* durably and return the value by which an input names it; the same content, the same name.

        Args:
            ending: Of the file's name, without a dot; tells ComfyUI's nodes what it is.
        Raises:
            OSError: The disk refuses it.
        """
        return await asyncio.to_thread(self._keep, content, ending.lower())

    async def read(self, name: str) -> bytes:
        """Return the content of an input's value.

        Raises:
            UploadMissing: There is no such file.
        """
        found = _NAME.fullmatch(name)
        if found is None:
            raise UploadMissing(f"{name[:100]!r} names no file that was sent to Hearth.")
        try:
            return await asyncio.to_thread((self._folder / found[1]).read_bytes)
        except FileNotFoundError:
            raise UploadMissing(f"The input file {name} is not in Hearth's folder any more.") from None

    async def deliver(self, graph: GraphDocument, uploader: Uploader) -> None:
        """Bring every file that *graph* names to a ComfyUI.

        Raises:
            UploadMissing: One is not there any more.
            ComfyUIError: ComfyUI does not take it.
        """
        for name in sorted(set(names_in(graph))):
            content = await self.read(name)
            await uploader.upload_image(name.partition("/")[2], content, subfolder=FOLDER, overwrite=True)

    def sent_before(self, at_s: float) -> dict[str, int]:
        """Return the names of the files that were last sent before *at_s* (UNIX time), with their sizes in bytes; blocking."""
        found: dict[str, int] = {}
        with suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    stat = entry.stat(follow_symlinks=False)
                    if re.fullmatch(_FILE, entry.name) and stat.st_mtime < at_s:
                        found[f"{FOLDER}/{entry.name}"] = stat.st_size
        return found

    def forget(self, names: Collection[str]) -> None:
        """Delete files; blocking.

        Raises:
            OSError: The disk refuses it; what was deleted before is gone.
        """
        for name in names:
            (self._folder / name.removeprefix(f"{FOLDER}/")).unlink(missing_ok=True)

    def _keep(self, content: bytes, ending: str) -> str:
        if _ENDING.fullmatch(ending) is None:
            ending = "bin"
        name = f"{hashlib.sha256(content).hexdigest()}.{ending}"
        path = self._folder / name
        try:
            os.utime(path)  # sent again: whoever sent it means to use it
        except FileNotFoundError:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomic(path, content)
        return f"{FOLDER}/{name}"


def names_in_text(text: str) -> Iterator[str]:
    """Yield whatever *text*, such as that of a stored graph, has of names of ours."""
    for found in _NAME.finditer(text):
        yield found[0]


def names_in(graph: GraphDocument) -> Iterator[str]:
    """Yield the values of *graph* that name files of ours."""
    for node in graph.values():
        inputs: JSON = node.get("inputs") if isinstance(node, Mapping) else None
        for value in inputs.values() if isinstance(inputs, Mapping) else ():
            if isinstance(value, str) and _NAME.fullmatch(value):
                yield value
