"""Files of a ComfyUI: results that are fetched from it, inputs that are given to it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from backend.comfyui.errors import ComfyUIRefused, OutputNotFound, OutputTooLarge
from backend.comfyui.outputs import OutputFile
from backend.comfyui.shapes import mapping, text
from backend.comfyui.values import Uploaded
from backend.comfyui.wire import Reply, Wire

_CHUNK_BYTES = 262_144
_VIEW = "/view"


@dataclass(frozen=True, slots=True)
class Saved:
    """A file that was fetched; ``sha256`` is 64 lower-case hex digits, ``mime`` what the server calls it."""

    path: Path
    size_bytes: int
    sha256: str
    mime: str


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file that is being fetched; ``chunks`` can be walked once."""

    mime: str
    size_bytes: int | None
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


class Files:
    """Fetch and send files."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    @asynccontextmanager
    async def open(
        self, file: OutputFile, *, preview: str | None = None, channel: str | None = None
    ) -> AsyncGenerator[OpenFile]:
        """Open *file* for reading.

        Args:
            preview: Such as ``webp;75``: have the server convert an image.
            channel: ``rgb``, ``a`` or ``rgba`` of an image.
        Raises:
            OutputNotFound: It is not there, or outside the server's folders.
        Leaving the context closes the connection, read to the end or not.
        """
        query: dict[str, str | int] = {**file.query()}
        if preview is not None:
            query["preview"] = preview
        if channel is not None:
            query["channel"] = channel
        async with self._wire.stream(_VIEW, query) as response:
            if response.status_code in (400, 403, 404):
                raise OutputNotFound(f"ComfyUI has no file {file.filename}.", details={"filename": file.filename})
            if response.status_code != 200:
                raise self._wire.refused(response.status_code, _VIEW)
            length = response.headers.get("content-length", "")
            mime = response.headers.get("content-type", "application/octet-stream").partition(";")[0].strip()
            size_bytes = int(length) if length.isdigit() else None
            yield OpenFile(mime, size_bytes, response.headers, response.aiter_bytes(_CHUNK_BYTES))

    async def save(self, file: OutputFile, destination: Path, *, limit_bytes: int) -> Saved:
        """Write *file* to *destination*, which must not exist yet, in an existing folder; whoever names it makes it durable.

        Raises:
            OutputTooLarge: It is longer than *limit_bytes*.
            OSError: It cannot be written.
        Failed or cancelled: nothing is left at *destination*.
        """
        async with self.open(file) as opened:
            _check_size(file, opened.size_bytes or 0, limit_bytes)
            sink = _Sink(destination)
            last = b""
            try:
                # One chunk is held back: a file of one chunk, as most pictures are, costs one turn in a thread.
                async for chunk in opened.chunks:
                    sink.size_bytes += len(chunk)
                    _check_size(file, sink.size_bytes, limit_bytes)
                    if last:
                        await asyncio.to_thread(sink.append, last)
                    last = chunk
                digest = await asyncio.to_thread(sink.finish, last)
            except BaseException:
                await asyncio.shield(asyncio.to_thread(sink.discard))
                raise
            return Saved(destination, sink.size_bytes, digest, opened.mime)

    async def read(self, file: OutputFile, *, limit_bytes: int) -> bytes:
        """Return the content of *file*.

        Raises:
            OutputTooLarge: It is longer than *limit_bytes*.
        """
        content = bytearray()
        async with self.open(file) as opened:
            _check_size(file, opened.size_bytes or 0, limit_bytes)
            async for chunk in opened.chunks:
                content += chunk
                _check_size(file, len(content), limit_bytes)
        return bytes(content)

    async def upload_image(
        self, name: str, content: bytes, *, mime: str = "application/octet-stream", subfolder: str = "",
        folder: str = "input", overwrite: bool = False,
    ) -> Uploaded:  # fmt: skip
        """Store *content*; any kind of file is accepted. Other content under a taken name gets another name.

        Raises:
            ComfyUIRefused: The name or the subfolder leads outside.
            RequestTooLarge: Longer than the server allows.
        """
        form = {"type": folder, "subfolder": subfolder, **({"overwrite": "true"} if overwrite else {})}
        return await self._upload("/upload/image", name, content, mime, form)

    async def upload_mask(
        self, name: str, content: bytes, original: OutputFile, *, subfolder: str = "", folder: str = "input"
    ) -> Uploaded:
        """Store *original* with the alpha channel of *content*, a PNG of the same size.

        Raises:
            ComfyUIRefused: *original* is not there.
        """
        form = {"type": folder, "subfolder": subfolder, "original_ref": json.dumps(original.query())}
        return await self._upload("/upload/mask", name, content, "image/png", form)

    async def _upload(self, path: str, name: str, content: bytes, mime: str, form: Mapping[str, str]) -> Uploaded:
        reply: Reply = await self._wire.ask("POST", path, files={"image": (name, content, mime)}, form=form)
        if reply.status != 200:
            raise self._wire.refused(reply.status, path)
        document = mapping(await reply.document())
        stored = text(document.get("name"))
        if stored is None:
            raise ComfyUIRefused(f"ComfyUI at {self._wire.name} does not say where it stored the upload.")
        return Uploaded(stored, text(document.get("subfolder")) or "", text(document.get("type")) or "input")


class _Sink:
    """A file that is being written, made with its first bytes, and the hash of what it holds; methods are blocking.

    The lock is for cancellation: the thread that writes goes on then, and must not make the file after it was discarded.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self._lock = threading.Lock()
        self._is_discarded = False
        self.size_bytes = 0

    def append(self, chunk: bytes) -> None:
        with self._lock:
            self._write(chunk)

    def finish(self, chunk: bytes) -> str:
        with self._lock:
            handle = self._write(chunk)
            if handle is not None:
                handle.close()
            return self._digest.hexdigest()

    def discard(self) -> None:
        with self._lock:
            self._is_discarded = True
            if self._handle is not None:
                self._handle.close()
                self._path.unlink(missing_ok=True)

    def _write(self, chunk: bytes) -> BinaryIO | None:
        if self._is_discarded:
            return None
        if self._handle is None:
            self._handle = self._path.open("xb")
        self._handle.write(chunk)
        self._digest.update(chunk)
        return self._handle


def _check_size(file: OutputFile, size_bytes: int, limit_bytes: int) -> None:
    if size_bytes > limit_bytes:
        raise OutputTooLarge(
            f"{file.filename} is longer than {limit_bytes:,} bytes.", details={"limit_bytes": limit_bytes}
        )
