"""What the pages of the gallery get to show; see ``contexts``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from backend.generation.results import ItemShown
from backend.web.contexts import Context


@dataclass(frozen=True, slots=True)
class GalleryFilters:
    """What the gallery was asked for, as its form shows it."""

    q: str
    kind: str
    favourite: bool


@dataclass(frozen=True, slots=True)
class Day:
    """Results of one day in UTC; ``label`` is empty where the day before this page goes on."""

    date: str
    label: str
    items: Sequence[ItemShown]


@dataclass(frozen=True, slots=True)
class GalleryMore(Context):
    """The next page of results, put behind those that are shown."""

    template = "components/gallery-days.html"
    is_part = True

    days: Annotated[Sequence[Day], "Results by day, the newest first."]
    next_href: Annotated[str | None, "Address of the page after this one."]


@dataclass(frozen=True, slots=True)
class GalleryList(Context):
    """What was made, with filters."""

    template = "components/gallery-list.html"
    is_part = True

    filters: Annotated[GalleryFilters, "What the gallery was asked for."]
    days: Annotated[Sequence[Day], "Results by day, the newest first."]
    total: Annotated[int, "Results that match, on all pages."]
    next_href: Annotated[str | None, "Address of the page after this one."]
    can_generate: Annotated[bool, "Whether there is a ComfyUI to run on."]


@dataclass(frozen=True, slots=True)
class GalleryHome(GalleryList):
    """Find what was made."""

    template = "pages/gallery.html"
    nav = "gallery"
    is_part = False


@dataclass(frozen=True, slots=True)
class GalleryItem(Context):
    """One result: what it is, how it came about, what can be done with it."""

    template = "components/gallery-item.html"
    is_part = True

    item: Annotated[ItemShown, "The result."]
    making: Annotated[Mapping[str, Any], "How it came about; empty when nobody knows any more."]


@dataclass(frozen=True, slots=True)
class GalleryItemPage(GalleryItem):
    """One result on a page of its own."""

    template = "pages/gallery-item.html"
    nav = "gallery"
    is_part = False
