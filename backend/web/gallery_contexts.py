"""What the pages of the gallery get to show; see ``contexts``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any

from backend.generation.results import ItemShown, Makers
from backend.web.contexts import Context


@dataclass(frozen=True, slots=True)
class GalleryFilters:
    """What the gallery was asked for, as its form shows it."""

    q: str
    kind: str
    workflow: str
    model: str
    rating: str
    since: str
    until: str
    favourite: bool
    trashed: bool

    @property
    def are_set(self) -> bool:
        """Whether anything is left out, apart from what a search leaves out."""
        return any(getattr(self, each.name) for each in fields(self) if each.name != "q")


@dataclass(frozen=True, slots=True)
class Day:
    """Results of one day in UTC; ``label`` is empty where the day before this page goes on."""

    date: str
    label: str
    items: Sequence[ItemShown]


@dataclass(frozen=True, slots=True)
class NodeTime:
    """How long a node worked, in seconds."""

    title: str
    seconds: float


@dataclass(frozen=True, slots=True)
class GalleryMore(Context):
    """The next page of results, put behind those that are shown."""

    template = "components/gallery-days.html"
    is_part = True

    days: Annotated[Sequence[Day], "Results by day, the newest first."]
    next_href: Annotated[str | None, "Address of the page after this one."]
    beside: Annotated[str, "Query that the page of a result is asked with, to know what stands beside it."]


@dataclass(frozen=True, slots=True)
class GalleryList(Context):
    """What was made, with filters."""

    template = "components/gallery-list.html"
    is_part = True

    filters: Annotated[GalleryFilters, "What the gallery was asked for."]
    makers: Annotated[Makers, "Workflows and models that made something."]
    days: Annotated[Sequence[Day], "Results by day, the newest first."]
    total: Annotated[int, "Results that match, on all pages."]
    here: Annotated[str, "Address of this list, to ask for it again."]
    next_href: Annotated[str | None, "Address of the page after this one."]
    beside: Annotated[str, "Query that the page of a result is asked with, to know what stands beside it."]
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
    node_times: Annotated[Sequence[NodeTime], "How long its nodes worked, the longest first."]
    here: Annotated[str, "Address of this page, to ask for it again."]
    back: Annotated[str, "Address of the list that led here."]
    newer: Annotated[str | None, "Address of the result before it in that list."]
    older: Annotated[str | None, "Address of the result after it."]
    place: Annotated[str, "Its place in that list; empty when it is not in it."]


@dataclass(frozen=True, slots=True)
class GalleryItemPage(GalleryItem):
    """One result on a page of its own."""

    template = "pages/gallery-item.html"
    nav = "gallery"
    is_part = False
