"""Make pictures of results off the event loop: thumbnails that are kept, conversions that are not.

Two threads work (Pillow lets go of the interpreter while it unpacks and packs), a bounded number waits, and a thumbnail
that is being made is waited for instead of being made twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from backend.generation.results.errors import FormatNotOffered, NoThumbnail, PicturesBusy, ResultGone
from backend.generation.results.formats import Format, can_open
from backend.generation.results.item import Item, Kind
from backend.generation.results.posters import poster
from backend.kit.atomic import write_atomic

THUMBNAILS = ".thumbnails"
_THREADS = 2
_MAX_WAITING = 128
_RETRY_AFTER_S = 2
_PICTURES = frozenset({Kind.IMAGE, Kind.ANIMATION})

T = TypeVar("T")


class Workshop:
    """Make pictures of the results below *outputs*.

    Args:
        ffmpeg: The program that makes posters of videos; without it there are none.
    """

    def __init__(self, outputs: Path, *, ffmpeg: Path | None) -> None:
        self._folder = outputs / THUMBNAILS
        self._ffmpeg = ffmpeg
        self._films = asyncio.Semaphore(_THREADS)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="pictures")
        self._waiting = 0
        self._making: dict[Path, asyncio.Task[None]] = {}

    async def close(self) -> None:
        """Finish the pictures in hand and drop what waits."""
        tasks = list(self._making.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)

    def has_picture(self, kind: Kind, mime: str) -> bool:
        """Tell whether a thumbnail can be made of results of this kind."""
        if kind is Kind.VIDEO:
            return self._ffmpeg is not None
        return kind in _PICTURES and can_open(mime)

    def kept_at(self, item_id: str, sha256: str) -> Path:
        """Return where a thumbnail is kept; another content has another name, so none is ever out of date."""
        return self._folder / item_id[:2] / f"{item_id}-{sha256[:12]}.webp"

    async def thumbnail(self, item: Item, source: Path) -> Path:
        """Return the thumbnail's file, made now unless it is there.

        Raises:
            NoThumbnail: Nothing can be seen of this kind of result.
            PictureRefused: It is damaged, or would unpack to more than is safe.
            PicturesBusy: Too much waits already.
            ResultGone: The file is not there.
        Cancelled: the making goes on for whoever asks next.
        """
        kept = self.kept_at(item.id, item.sha256)
        if await asyncio.to_thread(kept.is_file):
            return kept
        if not self.has_picture(item.kind, item.mime) and item.kind is not Kind.VIDEO:
            raise NoThumbnail(f"No picture can be made of {item.mime}.")
        task = self._making.get(kept)
        if task is None:
            task = self._making[kept] = asyncio.create_task(self._make(item, source, kept), name="thumbnail")
            task.add_done_callback(lambda _: self._made(kept))
        await asyncio.shield(task)
        return kept

    async def convert(self, item: Item, source: Path, wanted: Format, quality: int) -> bytes:
        """Return the picture in another format; of something that moves, the first frame.

        Raises:
            FormatNotOffered: It is no picture that can be opened here.
            PictureRefused, PicturesBusy, ResultGone: As for thumbnails.
        """
        if item.kind not in _PICTURES or not can_open(item.mime):
            raise FormatNotOffered(f"{item.mime} cannot be converted to {wanted.value}.")
        return await self._within_limits(
            lambda: self._in_thread(lambda: _present(source, lambda: _convert(source, item.mime, wanted, quality)))
        )

    def discard(self, item_id: str, sha256: str) -> None:
        """Delete a thumbnail; blocking."""
        self.kept_at(item_id, sha256).unlink(missing_ok=True)

    async def _make(self, item: Item, source: Path, kept: Path) -> None:
        await self._within_limits(lambda: self._thumbnail(item, source, kept))

    async def _thumbnail(self, item: Item, source: Path, kept: Path) -> None:
        if item.kind is Kind.VIDEO:
            await self._in_thread(lambda: _present(source, lambda: None))
            async with self._films:
                frame = await poster(source, self._ffmpeg)
            await self._in_thread(lambda: _keep_frame(kept, frame))
        else:
            await self._in_thread(lambda: _present(source, lambda: _keep_small(kept, source, item.mime)))

    async def _within_limits(self, make: Callable[[], Awaitable[T]]) -> T:
        if self._waiting >= _MAX_WAITING:
            raise PicturesBusy(
                f"{self._waiting} pictures are being made already.", details={"retry_after_s": _RETRY_AFTER_S}
            )
        self._waiting += 1
        try:
            return await make()
        finally:
            self._waiting -= 1

    def _in_thread(self, function: Callable[[], T]) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._pool, function)

    def _made(self, kept: Path) -> None:
        task = self._making.pop(kept)
        if not task.cancelled():
            task.exception()  # whoever waited has it; nobody else must be told


def _keep_small(kept: Path, source: Path, mime: str) -> None:
    # Whoever looked before the first one was kept, and asked after it, comes here too.
    if not kept.is_file():
        _keep(kept, _thumbnail(source, mime))


def _present(source: Path, make: Callable[[], T]) -> T:
    if not source.is_file():
        raise ResultGone(f"The file {source.name} is not where it was put.")
    return make()


def _keep_frame(kept: Path, frame: bytes) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    raw = kept.with_name(f".{kept.name}.png")
    try:
        raw.write_bytes(frame)
        _keep(kept, _thumbnail(raw, "image/png"))
    finally:
        raw.unlink(missing_ok=True)


def _keep(kept: Path, picture: bytes) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(kept, picture)


def _thumbnail(source: Path, mime: str) -> bytes:
    from backend.generation.results import pictures

    return pictures.thumbnail(source, mime)


def _convert(source: Path, mime: str, wanted: Format, quality: int) -> bytes:
    from backend.generation.results import pictures

    return pictures.convert(source, mime, wanted, quality)
