"""One entry of the gallery: a result with what people look for it by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, TypeAlias

from pydantic import Field

from backend.generation.results.remote import RemoteCopy
from backend.generation.shown import result_url, thumbnail_url

_ID_BYTES = 12
MAX_RATING = 5


class Kind(StrEnum):
    """What a result is, by its content."""

    IMAGE = "image"
    ANIMATION = "animation"
    VIDEO = "video"
    AUDIO = "audio"
    MODEL = "model"
    TEXT = "text"
    LATENT = "latent"
    FILE = "file"  # bytes of no kind that is known


@dataclass(frozen=True, slots=True)
class Item:
    """A result as the gallery keeps it.

    Args:
        take: Which execution of its job made it, from 0.
        place: Its number among the files of its job, from 1.
        name: What people see and download it as.
        path: Below the folder of outputs, with forward slashes; where it belongs, also while it is in the trash.
        prompt: What was asked for in words; ``words`` is the same and more, in lower case, for searching.
        created_at: ISO 8601 in UTC with microseconds, so that text sorts as time does.
        rating: 0 (none) to 5.
        remote: Its copy in a bucket; None unless there is or shall be one.
    """

    id: str
    job_id: str
    owner_id: str
    key: str
    take: int
    place: int
    kind: Kind
    mime: str
    name: str
    path: str
    size_bytes: int
    sha256: str
    created_at: str
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None
    text: str | None = None
    title: str = ""
    workflow_id: str | None = None
    workflow_version: str | None = None
    prompt: str = ""
    words: str = ""
    models: tuple[str, ...] = ()
    seed: int | None = None
    backend: str | None = None
    source: str = ""
    favourite: bool = False
    rating: int = 0
    trashed_at: str | None = None
    removal_id: str | None = None
    remote: RemoteCopy | None = None


def result_id(job_id: str, key: str) -> str:
    """Return the id of an output: the same whenever the same output of the same job is collected; 24 hex characters."""
    return hashlib.blake2b(f"{job_id}\0{key}".encode(), digest_size=_ID_BYTES).hexdigest()


def stamp(moment: datetime) -> str:
    """Write a time so that text sorts as time does."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


ItemId: TypeAlias = Annotated[str, Field(examples=["8c1f0e6b2d9a47c35e10fa42"])]


@dataclass(frozen=True, slots=True)
class ItemShown:
    """A result as it is listed; ``url`` answers the file itself."""

    id: ItemId
    job_id: str
    kind: Kind
    mime: Annotated[str, Field(examples=["image/png"])]
    name: Annotated[str, Field(examples=["ComfyUI_00001_.png"])]
    url: str
    thumbnail_url: str | None
    width: int | None
    height: int | None
    duration_s: float | None
    bytes: int
    sha256: str
    text: str | None
    title: str
    workflow_id: str | None
    workflow_version: str | None
    prompt: str
    models: list[str]
    seed: int | None
    created_at: Annotated[str, Field(examples=["2026-11-24T16:00:00.000000+00:00"])]
    favourite: bool
    rating: Annotated[int, Field(ge=0, le=MAX_RATING)]
    trashed_at: str | None
    removal_id: str | None
    remote: Annotated[RemoteCopy | None, Field(description="Its copy in the bucket of RESULTS_S3_URL, if it gets one")]


@dataclass(frozen=True, slots=True)
class ItemDetail:
    """One result with how it came about, as its sidecar has it: graph, models with hashes, seconds for each node."""

    item: ItemShown
    making: dict[str, Any]  # Any: JSON of whatever shape the graph has


def shown(item: Item, *, has_picture: bool) -> ItemShown:
    """Show a result as it is now."""
    return ItemShown(
        id=item.id,
        job_id=item.job_id,
        kind=item.kind,
        mime=item.mime,
        name=item.name,
        url=result_url(item.id),
        thumbnail_url=thumbnail_url(item.id) if has_picture else None,
        width=item.width,
        height=item.height,
        duration_s=item.duration_s,
        bytes=item.size_bytes,
        sha256=item.sha256,
        text=item.text,
        title=item.title,
        workflow_id=item.workflow_id,
        workflow_version=item.workflow_version,
        prompt=item.prompt,
        models=list(item.models),
        seed=item.seed,
        created_at=item.created_at,
        favourite=item.favourite,
        rating=item.rating,
        trashed_at=item.trashed_at,
        removal_id=item.removal_id,
        remote=item.remote,
    )
