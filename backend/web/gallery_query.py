"""What the gallery is asked for, in the address of a page: read, and written without what says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from backend.generation.results import MAX_RATING, GalleryQuery, InvalidGalleryQuery, kinds_of, moment, words_of
from backend.web.gallery_contexts import GalleryFilters

_LONGEST = 1024  # characters of a model's name, with its folders


def filters_of(asked: Mapping[str, str]) -> GalleryFilters:
    """Read the filters of an address; nothing is judged yet."""
    rating = asked.get("rating", "")
    return GalleryFilters(
        q=asked.get("q", ""),
        kind=asked.get("kind", ""),
        workflow=asked.get("workflow", "")[:_LONGEST],
        model=asked.get("model", "")[:_LONGEST],
        rating="" if rating == "0" else rating,
        since=asked.get("since", ""),
        until=asked.get("until", ""),
        favourite=asked.get("favourite", "") == "true",
        trashed=asked.get("trashed", "") == "true",
    )


def query_of(filters: GalleryFilters) -> GalleryQuery:
    """Return the question that the filters ask.

    Raises:
        InvalidGalleryQuery: One of them cannot be used.
    """
    return GalleryQuery(
        kinds=kinds_of(filters.kind),
        workflow=filters.workflow or None,
        model=filters.model or None,
        since=moment("since", filters.since),
        until=moment("until", filters.until, end_of_day=True),
        favourite=True if filters.favourite else None,
        min_rating=_rating(filters.rating),
        words=words_of(filters.q),
        trashed=filters.trashed,
    )


def address(path: str, filters: GalleryFilters, **more: str) -> str:
    """Return the address of *path* under these filters."""
    told = {
        "q": filters.q,
        "kind": filters.kind,
        "workflow": filters.workflow,
        "model": filters.model,
        "rating": filters.rating,
        "since": filters.since,
        "until": filters.until,
        "favourite": "true" if filters.favourite else "",
        "trashed": "true" if filters.trashed else "",
        **more,
    }
    query = urlencode({name: value for name, value in told.items() if value})
    return f"{path}?{query}" if query else path


def _rating(text: str) -> int:
    if not text:
        return 0
    if text not in {str(rating) for rating in range(MAX_RATING + 1)}:
        raise InvalidGalleryQuery(
            f"A rating is a whole number from 0 to {MAX_RATING}.", details={"parameter": "rating"}
        )
    return int(text)
