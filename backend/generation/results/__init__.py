"""What was made: collected from ComfyUI, kept with how it came about, shown in the gallery, thrown away and brought back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from backend.database import Database
from backend.generation.results.collect import Collector, HashOf
from backend.generation.results.disposal import Disposal, Emptied, Removed, Returned
from backend.generation.results.errors import (
    FormatNotOffered,
    InvalidGalleryQuery,
    NoThumbnail,
    PictureRefused,
    PicturesBusy,
    RemovalNotFound,
    ResultError,
    ResultGone,
    ResultInTheWay,
    ResultNotFound,
    ResultNotStored,
)
from backend.generation.results.formats import Format
from backend.generation.results.gallery import Gallery, GalleryPage, Makers, Neighbours, ResultFile
from backend.generation.results.item import MAX_RATING, Item, ItemDetail, ItemShown, Kind
from backend.generation.results.posters import find_ffmpeg
from backend.generation.results.query import DEFAULT_LIMIT, MAX_LIMIT, GalleryQuery, kinds_of, moment, words_of
from backend.generation.results.rebuild import Rebuilt
from backend.generation.results.remote import RemoteCopy, RemoteState
from backend.generation.results.retention import RetentionPlan
from backend.generation.results.upload import Remote, Uploader, UploadPace, UploadReport
from backend.generation.results.workshop import Workshop


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that has to do with results, joined; open it with :meth:`open` and close it at the end."""

    collector: Collector
    gallery: Gallery
    disposal: Disposal
    workshop: Workshop
    uploader: Uploader | None = None

    @classmethod
    async def open(
        cls,
        outputs: Path,
        database: Database,
        *,
        hash_of: HashOf,
        keep_days: int = 0,
        remote: Remote | None = None,
        upload_pace: UploadPace | None = None,
    ) -> Results:
        """Open the folder of outputs; finish what a crash left half-way.

        Args:
            outputs: ``<workspace>/outputs``; made when it is not there.
            hash_of: SHA-256 of a model file by its category and the name that graphs have for it, None when it is not
                known; blocking.
            keep_days: Results that are older go to the trash, unless they are favourites; 0 keeps everything.
            remote: Where the results of jobs are copied when they have ended.
        Raises:
            OSError: The folder cannot be made.
        """
        workshop = Workshop(outputs, ffmpeg=await asyncio.to_thread(find_ffmpeg))
        disposal = Disposal(outputs, database, workshop, keep_days=keep_days)
        await disposal.start()
        uploader = None if remote is None else Uploader(outputs, database, remote, upload_pace)
        if uploader is not None:
            uploader.start()
        return cls(
            Collector(outputs, database, workshop, hash_of),
            Gallery(outputs, database, workshop),
            disposal,
            workshop,
            uploader,
        )

    async def close(self) -> None:
        """Stop uploading, tidying and making pictures."""
        if self.uploader is not None:
            await self.uploader.close()
        await self.disposal.close()
        await self.workshop.close()


__all__ = [
    "DEFAULT_LIMIT",
    "MAX_LIMIT",
    "MAX_RATING",
    "Collector",
    "Disposal",
    "Emptied",
    "Format",
    "FormatNotOffered",
    "Gallery",
    "GalleryPage",
    "GalleryQuery",
    "HashOf",
    "InvalidGalleryQuery",
    "Item",
    "ItemDetail",
    "ItemShown",
    "Kind",
    "Makers",
    "Neighbours",
    "NoThumbnail",
    "PictureRefused",
    "PicturesBusy",
    "Rebuilt",
    "Remote",
    "RemoteCopy",
    "RemoteState",
    "RemovalNotFound",
    "Removed",
    "ResultError",
    "ResultFile",
    "ResultGone",
    "ResultInTheWay",
    "ResultNotFound",
    "ResultNotStored",
    "Results",
    "RetentionPlan",
    "Returned",
    "UploadPace",
    "UploadReport",
    "Uploader",
    "Workshop",
    "find_ffmpeg",
    "kinds_of",
    "moment",
    "words_of",
]
