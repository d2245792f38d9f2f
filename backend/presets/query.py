"""Ask the list of presets: filters, search, order and pages.

Search looks at id, name, aliases, tags, file names and description; every word must be found somewhere, and presets
where words are found in better places come first unless another order is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TypeVar

from backend.presets.catalog import Catalog, SearchFields, natural
from backend.presets.errors import InvalidQuery
from backend.presets.installation import PresetState, Status
from backend.presets.preset import Category, Preset

DEFAULT_LIMIT = 100
MAX_LIMIT = 500
_MAX_OFFSET = 1_000_000
_MAX_SEARCH_LENGTH = 200

E = TypeVar("E", bound=StrEnum)


class Sort(StrEnum):
    """Orders of the list; a leading minus in the query turns them round."""

    NAME = "name"
    SIZE = "size"
    STATUS = "status"


_STATUS_ORDER = {
    status: index
    for index, status in enumerate(
        (
            Status.DOWNLOADING,
            Status.DAMAGED,
            Status.PARTIAL,
            Status.INSTALLED_UNVERIFIED,
            Status.INSTALLED,
            Status.ABSENT,
        )
    )
}


@dataclass(frozen=True, slots=True)
class PresetQuery:
    """A question to the list; the empty tuple of a filter lets everything pass.

    ``sort`` None means by relevance when there are words, else by name.
    """

    categories: tuple[Category, ...] = ()
    words: tuple[str, ...] = ()
    statuses: tuple[Status, ...] = ()
    tags: tuple[str, ...] = ()
    gated: bool | None = None
    sort: Sort | None = None
    descending: bool = False
    limit: int = DEFAULT_LIMIT
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Selection:
    """The presets of one page, how many there are on all pages, and how many each category would show."""

    presets: tuple[Preset, ...]
    total: int
    category_counts: Mapping[Category, int]


def parse_query(parameters: Iterable[tuple[str, str]]) -> PresetQuery:
    """Read query parameters; lists come repeated or joined by commas, empty values mean no filter.

    Parameters that are not ours are ignored, as browsers and proxies add some.

    Raises:
        InvalidQuery: A value does not exist; ``details.allowed`` lists those that do.
    """
    given: dict[str, list[str]] = {}
    for name, value in parameters:
        given.setdefault(name, []).extend(part.strip() for part in ([value] if name == "q" else value.split(",")))
    values = {name: tuple(dict.fromkeys(part for part in parts if part)) for name, parts in given.items()}
    sort, descending = _sort(values.get("sort", ()))
    return PresetQuery(
        categories=_choices("category", values.get("category", ()), Category),
        words=_words(" ".join(values.get("q", ()))),
        statuses=_choices("status", values.get("status", ()), Status),
        tags=tuple(tag.lower() for tag in values.get("tag", ())),
        gated=_boolean("gated", values.get("gated", ())),
        sort=sort,
        descending=descending,
        limit=_number("limit", values.get("limit", ()), DEFAULT_LIMIT, 1, MAX_LIMIT),
        offset=_number("offset", values.get("offset", ()), 0, 0, _MAX_OFFSET),
    )


def select(catalog: Catalog, states: Mapping[str, PresetState], query: PresetQuery) -> Selection:
    """Answer *query*: any of its categories, any of its statuses, all of its tags, all of its words."""
    counts = dict.fromkeys(Category, 0)
    ranked: list[tuple[int, Preset]] = []
    for preset in catalog.presets:
        if not _passes(preset, states[preset.id], query):
            continue
        score = score_of(catalog.search_fields[preset.id], query.words) if query.words else 0
        if query.words and not score:
            continue
        counts[preset.category] += 1
        if not query.categories or preset.category in query.categories:
            ranked.append((score, preset))
    found = _ordered(ranked, states, query)
    return Selection(tuple(found[query.offset : query.offset + query.limit]), len(found), counts)


def score_of(fields: SearchFields, words: tuple[str, ...]) -> int:
    """Return how well a preset matches; 0 when a word is found nowhere."""
    total = 0
    for word in words:
        score = max((weight * _match(word, text) for weight, text in fields), default=0)
        if not score:
            return 0
        total += score
    return total


def _match(word: str, text: str) -> int:
    """Return 4 for the whole text, 3 for a word of it, 2 for the start of a word, 1 for anything inside."""
    position = text.find(word)
    if position < 0:
        squeezed = _squeeze(word)
        return 1 if len(squeezed) > 2 and squeezed in _squeeze(text) else 0
    if len(text) == len(word):
        return 4
    if re.search(rf"(?<!\w){re.escape(word)}", text):
        return 3 if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) else 2
    return 1


@lru_cache(maxsize=8192)
def _squeeze(text: str) -> str:
    """Reduce to letters and digits, so that "wan2.2" finds "Wan 2.2" and "WAN_2_2"."""
    return re.sub(r"[\W_]+", "", text)


def _passes(preset: Preset, state: PresetState, query: PresetQuery) -> bool:
    return (
        (not query.statuses or state.status in query.statuses)
        and (query.gated is None or preset.gated == query.gated)
        and all(tag in preset.tags for tag in query.tags)
    )


def _ordered(ranked: list[tuple[int, Preset]], states: Mapping[str, PresetState], query: PresetQuery) -> list[Preset]:
    # The catalogue is in order of names and sorting is stable, so names break every tie.
    if query.sort is None and query.words:
        ranked.sort(key=lambda item: -item[0])
        return [preset for _, preset in ranked]
    presets = [preset for _, preset in ranked]
    if query.sort is Sort.SIZE:
        presets.sort(key=lambda preset: preset.size_bytes or 0, reverse=query.descending)
    elif query.sort is Sort.STATUS:
        presets.sort(key=lambda preset: _STATUS_ORDER[states[preset.id].status], reverse=query.descending)
    elif query.descending:
        presets.sort(key=lambda preset: natural(preset.name), reverse=True)
    return presets


def _words(text: str) -> tuple[str, ...]:
    if len(text) > _MAX_SEARCH_LENGTH:
        raise InvalidQuery(f"The search is longer than {_MAX_SEARCH_LENGTH} characters.", details={"parameter": "q"})
    return tuple(dict.fromkeys(text.lower().split()))


def _sort(values: tuple[str, ...]) -> tuple[Sort | None, bool]:
    if not values:
        return None, False
    text = values[-1]
    (sort,) = _choices("sort", (text.removeprefix("-"),), Sort)
    return sort, text.startswith("-")


def _choices(parameter: str, values: tuple[str, ...], choices: type[E]) -> tuple[E, ...]:
    allowed = [str(choice) for choice in choices]
    for value in values:
        if value not in allowed:
            raise _refuse(parameter, value, allowed)
    return tuple(choices(value) for value in values)


def _boolean(parameter: str, values: tuple[str, ...]) -> bool | None:
    if not values:
        return None
    if values[-1].lower() not in ("true", "false", "1", "0"):
        raise _refuse(parameter, values[-1], ["true", "false"])
    return values[-1].lower() in ("true", "1")


def _number(parameter: str, values: tuple[str, ...], default: int, low: int, high: int) -> int:
    if not values:
        return default
    text = values[-1]
    # len before int: converting thousands of digits costs real time.
    if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
        raise _refuse(parameter, text, [f"{low} to {high}"])
    return int(text)


def _refuse(parameter: str, value: str, allowed: list[str]) -> InvalidQuery:
    return InvalidQuery(
        f"{value[:80]!r} is not a value for {parameter}; allowed: {', '.join(allowed)}.",
        details={"parameter": parameter, "allowed": list(allowed)},
    )
